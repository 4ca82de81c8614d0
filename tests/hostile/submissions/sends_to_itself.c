/* Connects to its own port three thousand times, and sends. Expect: judged */
#include "hostile.h"
int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)atoi(argv[argc - 1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fork() == 0) {
        static char data[1 << 16];
        for (int n = 0; n < 3000; n++) {
            int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            connect(client, (struct sockaddr *)&address, sizeof address);
            send(client, data, sizeof data, MSG_NOSIGNAL);
        }
    }
    serve(argv[argc - 1], NULL);
}
