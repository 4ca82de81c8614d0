/* Three hundred times a process forks the next and ends, so that nobody has it for long. Expect: judged */
#include "hostile.h"
int main(int argc, char **argv)
{
    if (fork() == 0)
        for (int n = 0; n < 300; n++)
            if (setsid(), fork() > 0)
                _exit(0);
    serve(argv[argc - 1], NULL);
}
