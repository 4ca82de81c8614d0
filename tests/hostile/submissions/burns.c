/* Uses up its processor time before it listens. Expect: limit cpu */
#include "hostile.h"
int main(void)
{
    for (volatile long n = 0;; n++)
        continue;
}
