/* Priorities and limits. Expect: serves */
#include "hostile.h"
#include <sched.h>
#include <sys/resource.h>
int main(int argc, char **argv)
{
    struct sched_param first = {.sched_priority = 1};
    if (setpriority(PRIO_PROCESS, 0, -20) == 0 || sched_setscheduler(0, SCHED_FIFO, &first) == 0)
        escaped("priority");
    int kinds[] = {RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE};
    for (size_t n = 0; n < sizeof kinds / sizeof *kinds; n++) {
        struct rlimit now;
        getrlimit(kinds[n], &now);
        if (now.rlim_max == RLIM_INFINITY)
            escaped("no limit");
        now.rlim_max++;
        if (setrlimit(kinds[n], &now) == 0)
            escaped("a higher limit");
    }
    serve(argv[argc - 1], NULL);
}
