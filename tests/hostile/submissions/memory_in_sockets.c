/* Memory that waits in sockets, of many processes. Expect: limit memory */
#include "hostile.h"
int main(int argc, char **argv)
{
    for (int n = 0; n < 8; n++)
        if (fork() == 0) {
            static char data[1 << 16];
            int ends[2];
            while (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0)
                while (send(ends[1], data, sizeof data, MSG_NOSIGNAL) > 0)
                    continue;
            pause();
        }
    serve(argv[argc - 1], NULL);
}
