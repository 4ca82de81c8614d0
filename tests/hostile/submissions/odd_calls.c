/* Calls that hide from a filter, or reach what is not its own: each of them, in both tables. Expect: serves */
#include "hostile.h"
#include <sys/syscall.h>
int main(int argc, char **argv)
{
    const char *names[] = {"io_uring_setup", "io_uring_register", "keyctl", "add_key", "request_key", "bpf", "perf_event_open",
                           "userfaultfd", "syslog"};
    long numbers[] = {425, 427, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd,
                      SYS_syslog};
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
        if (syscall(numbers[n], 0, 0, 0, 0, 0) >= 0 || errno != EPERM)
            escaped(names[n]);
#ifdef __x86_64__
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
        if (syscall(numbers[n] | 0x40000000, 0, 0, 0, 0, 0) >= 0)
            escaped("x32");
    int result, keyctl = 288;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(keyctl), "b"(0), "c"(0), "d"(0) : "memory");
    if (result >= 0)
        escaped("i386");
#endif
    serve(argv[argc - 1], NULL);
}
