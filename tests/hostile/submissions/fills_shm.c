/* Fills /dev/shm. Expect: limit disk */
#include "hostile.h"
int main(void)
{
    static char data[1 << 16];
    for (int n = 0;; n++) {
        char name[64];
        snprintf(name, sizeof name, "/dev/shm/gatecrash-hostile-%d", n);
        int file = open(name, O_WRONLY | O_CREAT, 0600);
        while (file >= 0 && write(file, data, sizeof data) > 0)
            continue;
    }
}
