/*
 * A UDP echo server that forks a child for each datagram, which goes back to the address it came from.
 *
 * Planted mistake: The parent waits for none of its children: each datagram leaves a zombie.
 * Model: fork
 * Protocol: udp
 * Breaks: FORK-02
 * Fix: a handler of SIGCHLD that calls waitpid(-1, NULL, WNOHANG) until there is no more, with SA_RESTART
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server udp_never_reaps.c && ./server 8080
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int bind_to(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);
    if (end == text || *end != '\0' || port < 1 || port > 65535) {
        fprintf(stderr, "\"%s\" is not a port: give a number from 1 to 65535\n", text);
        exit(2);
    }
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((in_port_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int server = socket(AF_INET, SOCK_DGRAM, 0);
    if (server < 0 || bind(server, (struct sockaddr *)&address, sizeof address) < 0)
        fail("cannot bind");
    printf("listening on 127.0.0.1:%ld\n", port);
    fflush(stdout);
    return server;
}

static void reply(int server, const char *data, size_t length, const struct sockaddr_in *client)
{
    ssize_t sent;
    do
        sent = sendto(server, data, length, 0, (const struct sockaddr *)client, sizeof *client);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        perror("sendto");
}

int main(int argc, char **argv)
{
    static char datagram[65536];
    int server = bind_to(argc > 1 ? argv[1] : "8080");
    for (;;) {
        struct sockaddr_in client;
        socklen_t size = sizeof client;
        ssize_t length = recvfrom(server, datagram, sizeof datagram, 0,
                                  (struct sockaddr *)&client, &size);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0) { /* it concerns one datagram */
            perror("recvfrom");
            continue;
        }
        pid_t child = fork();
        if (child == 0) {
            reply(server, datagram, (size_t)length, &client);
            _exit(0);
        }
        if (child < 0)
            perror("fork");
    } /* the mistake: nobody waits */
}
