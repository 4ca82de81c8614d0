/* Makes files and folders for ever. Expect: limit disk */
#include "hostile.h"
#include <sys/stat.h>
int main(void)
{
    for (;;)
        if (mkdir("d", 0700) == 0 || errno == EEXIST)
            (void)!chdir("d");
}
