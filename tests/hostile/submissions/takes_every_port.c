/* Takes the ports that servers usually have. Expect: judged */
#include "hostile.h"
int main(int argc, char **argv)
{
    int listener = listen_on(argv[argc - 1]);
    for (int port = 1; port < 400; port++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)port)};
        int other = socket(AF_INET, SOCK_STREAM, 0);
        if (other < 0 || bind(other, (struct sockaddr *)&address, sizeof address) < 0 || listen(other, 1) < 0)
            close(other);
    }
    close(listener);
    serve(argv[argc - 1], NULL);
}
