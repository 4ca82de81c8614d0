/* Prints for ever. Expect: limit output */
#include "hostile.h"
int main(void)
{
    for (;;)
        puts("The quick brown fox jumps over the lazy dog.");
}
