/* A filter of its own with a listener, and every descriptor closed. Expect: judged */
#include "hostile.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
int main(int argc, char **argv)
{
    for (int descriptor = 0; descriptor < 5000; descriptor++)
        close(descriptor);
    struct sock_filter step = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    struct sock_fprog program = {1, &step};
    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    serve(argv[argc - 1], NULL);
}
