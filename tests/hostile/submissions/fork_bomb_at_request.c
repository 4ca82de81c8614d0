/* Forks for ever, once it is asked. Expect: limit processes */
#include "hostile.h"
static void act(void)
{
    for (;;)
        fork();
}
int main(int argc, char **argv)
{
    serve(argv[argc - 1], act);
}
