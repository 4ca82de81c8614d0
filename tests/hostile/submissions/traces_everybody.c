/* ptrace and process_vm_readv on everybody. Expect: serves */
#include "hostile.h"
#include <sys/ptrace.h>
#include <sys/uio.h>
int main(int argc, char **argv)
{
    for (pid_t pid = 1; pid < 5000; pid++) {
        char byte;
        struct iovec here = {&byte, 1}, there = {(void *)0x400000, 1};
        if (pid == getpid())
            continue;
        if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 || ptrace(PTRACE_ATTACH, pid, NULL, NULL) == 0)
            escaped("ptrace");
        if (process_vm_readv(pid, &here, 1, &there, 1, 0) > 0)
            escaped("process_vm_readv");
    }
    serve(argv[argc - 1], NULL);
}
