/* One child after the other uses less processor time than one may, without end. Expect: judged */
#include "hostile.h"
#include <time.h>
int main(void)
{
    for (;;) {
        if (fork() == 0) {
            while (clock() < CLOCKS_PER_SEC / 2)
                continue;
            _exit(0);
        }
        wait(NULL);
    }
}
