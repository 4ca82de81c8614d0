/* SIGKILL and SIGSTOP for everybody it can name. Expect: judged */
#include "hostile.h"
int main(int argc, char **argv)
{
    int numbers[] = {SIGKILL, SIGSTOP, SIGTERM, SIGINT, SIGCHLD, SIGSEGV};
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
        for (pid_t pid = 1; pid < 70000; pid++)
            if (pid != getpid() && kill(pid, numbers[n]) == 0 && pid != 1)
                escaped("a signal");
        kill(getppid(), numbers[n]);
        if (fork() == 0) {
            kill(-1, numbers[n]);
            _exit(0);
        }
        if (numbers[n] != SIGKILL && numbers[n] != SIGTERM && numbers[n] != SIGINT && numbers[n] != SIGSEGV)
            wait(NULL);
    }
    serve(argv[argc - 1], NULL);
}
