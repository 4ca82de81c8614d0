/* A file of a terabyte without anything in it. Expect: serves */
#include "hostile.h"
int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN);
    int file = open("/tmp/gatecrash-hostile", O_WRONLY | O_CREAT, 0600);
    if (ftruncate(file, 1LL << 40) == 0)
        escaped("a terabyte");
    serve(argv[argc - 1], NULL);
}
