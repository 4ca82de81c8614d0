/* Stops everything of its own, and never goes on. Expect: judged */
#include "hostile.h"
static void act(void)
{
    kill(0, SIGSTOP);
    kill(-1, SIGSTOP);
}
int main(int argc, char **argv)
{
    serve(argv[argc - 1], act);
}
