/* Memory that is in pipes, of many processes. Expect: judged */
#include "hostile.h"
int main(int argc, char **argv)
{
    for (int n = 0; n < 8; n++)
        if (fork() == 0) {
            static char data[1 << 16];
            int ends[2];
            while (pipe2(ends, O_NONBLOCK) == 0)
                (void)!write(ends[1], data, sizeof data);
            pause();
        }
    serve(argv[argc - 1], NULL);
}
