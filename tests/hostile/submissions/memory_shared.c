/* Memory that a parent and its children share. Expect: limit memory */
#include "hostile.h"
#include <sys/mman.h>
int main(void)
{
    for (;;) {
        char *taken = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (taken != MAP_FAILED)
            memset(taken, 'x', 1 << 20);
    }
}
