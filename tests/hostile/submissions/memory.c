/* Takes memory and writes to it, before it listens. Expect: limit memory */
#include "hostile.h"
int main(void)
{
    for (;;) {
        char *taken = malloc(1 << 20);
        if (taken != NULL)
            memset(taken, 'x', 1 << 20);
    }
}
