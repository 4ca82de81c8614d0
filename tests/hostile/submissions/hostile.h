/* What hostile programs of this folder share: a list of what they got away with, and a server that tells it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char got_away[4096];

/* Note that something worked that must not. */
__attribute__((unused)) static void escaped(const char *what)
{
    size_t have = strlen(got_away);
    snprintf(got_away + have, sizeof got_away - have, "%s, ", what);
}

static int listen_on(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)atoi(text)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 64) < 0)
        exit(3);
    return listener;
}

/* One client after the other; `act` is called before each answer. */
static void serve(const char *port, void (*act)(void))
{
    int listener = listen_on(port);
    for (;;) {
        char text[8192];
        int client = accept(listener, NULL, NULL);
        if (client < 0)
            continue;
        if (recv(client, text, sizeof text, 0) > 0) {
            if (act != NULL)
                act();
            const char *body = got_away[0] != '\0' ? got_away : "nothing got out";
            int n = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                             strlen(body), body);
            send(client, text, (size_t)n, MSG_NOSIGNAL);
        }
        close(client);
    }
}
