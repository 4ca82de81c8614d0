/* Prints to standard error without a newline, once it is asked. Expect: limit output */
#include "hostile.h"
static void act(void)
{
    static char data[1 << 16];
    memset(data, 'x', sizeof data);
    for (;;)
        (void)!write(2, data, sizeof data);
}
int main(int argc, char **argv)
{
    serve(argv[argc - 1], act);
}
