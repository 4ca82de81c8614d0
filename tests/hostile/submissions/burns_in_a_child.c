/* Has a child use up processor time, and waits for it before it listens. Expect: limit cpu */
#include "hostile.h"
int main(void)
{
    if (fork() == 0)
        for (volatile long n = 0;; n++)
            continue;
    wait(NULL);
}
