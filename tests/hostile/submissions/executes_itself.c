/* Becomes itself anew for ever. Expect: judged */
#include "hostile.h"
int main(int argc, char **argv)
{
    (void)argc;
    execv("/proc/self/exe", argv);
}
