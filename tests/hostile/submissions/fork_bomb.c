/* Forks for ever, before it listens. Expect: limit processes */
#include "hostile.h"
int main(void)
{
    for (;;)
        fork();
}
