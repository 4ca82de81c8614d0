/* Takes memory when it is asked. Expect: limit memory */
#include "hostile.h"
#include <sys/mman.h>
static void act(void)
{
    for (;;) {
        char *taken = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (taken != MAP_FAILED)
            memset(taken, 'x', 1 << 20);
    }
}
int main(int argc, char **argv)
{
    serve(argv[argc - 1], act);
}
