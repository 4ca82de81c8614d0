/* Each process has less than the limit, all together have more. Expect: limit memory */
#include "hostile.h"
int main(int argc, char **argv)
{
    for (int n = 0; n < 30; n++)
        if (fork() == 0) {
            char *taken = malloc(10 << 20);
            memset(taken, n, 10 << 20);
            dprintf(1, "%c", taken[n]);
            pause();
        }
    serve(argv[argc - 1], NULL);
}
