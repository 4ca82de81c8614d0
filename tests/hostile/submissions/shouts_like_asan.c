/* What looks like a sanitizer's report, without end, on every way. Expect: limit output */
#include "hostile.h"
int main(void)
{
    for (;;)
        fprintf(stderr, "==%d==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x1\n", getpid());
}
