// Templates without end. Expect: build
template <int N, int M> struct deep { static const int value = deep<N - 1, 2 * M>::value + deep<N - 1, 2 * M + 1>::value; };
template <int M> struct deep<0, M> { static const int value = M; };
int main() { return deep<40, 0>::value; }
