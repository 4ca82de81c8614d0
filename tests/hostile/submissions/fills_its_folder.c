/* Fills its own folder when it is asked. Expect: limit disk */
#include "hostile.h"
static void act(void)
{
    static char data[1 << 16];
    int file = open("gatecrash-hostile", O_WRONLY | O_CREAT | O_APPEND, 0600);
    for (;;)
        (void)!write(file, data, sizeof data);
}
int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN);
    serve(argv[argc - 1], act);
}
