/* An answer without an end, to a client that has gone even. Expect: judged */
#include "hostile.h"
int main(int argc, char **argv)
{
    int listener = listen_on(argv[argc - 1]);
    static char data[1 << 16];
    memset(data, 'x', sizeof data);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        send(client, "HTTP/1.1 200 OK\r\n\r\n", 19, MSG_NOSIGNAL);
        if (fork() == 0)
            for (;;)
                send(client, data, sizeof data, MSG_NOSIGNAL);
        close(client);
    }
}
