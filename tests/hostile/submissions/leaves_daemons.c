/* Daemons that nobody is the parent of. Expect: serves */
#include "hostile.h"
int main(int argc, char **argv)
{
    for (int n = 0; n < 10; n++)
        if (fork() == 0) {
            setsid();
            if (fork() > 0)
                _exit(0);
            signal(SIGTERM, SIG_IGN);
            signal(SIGHUP, SIG_IGN);
            for (int descriptor = 0; descriptor < 1024; descriptor++)
                close(descriptor);
            for (;;)
                pause();
        }
    while (wait(NULL) > 0)
        continue;
    serve(argv[argc - 1], NULL);
}
