/* The machine's clock and name. Expect: serves */
#include "hostile.h"
#include <sys/reboot.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
int main(int argc, char **argv)
{
    struct timespec now = {1, 0};
    struct timeval then = {1, 0};
    struct timex change = {.modes = ADJ_FREQUENCY};
    if (clock_settime(CLOCK_REALTIME, &now) == 0 || settimeofday(&then, NULL) == 0 || adjtimex(&change) >= 0)
        escaped("the clock");
    if (sethostname("hostile", 7) == 0 || setdomainname("hostile", 7) == 0)
        escaped("the name");
    if (reboot(RB_DISABLE_CAD) == 0 || acct("/tmp/x") == 0)
        escaped("the machine");
    serve(argv[argc - 1], NULL);
}
