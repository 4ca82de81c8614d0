/*
 * A UDP echo server: every datagram goes back to the address it came from.
 *
 * Planted mistake: What waits is received first and answered then, but only the last sender's address is kept.
 * Model: iterative
 * Protocol: udp
 * Breaks: DGRAM-02
 * Fix: keep an address for each datagram: struct sockaddr_in client[BATCH]
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server udp_last_sender.c && ./server 8080
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

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

/* An error is news of one datagram or a shortage that passes, unless the descriptor is wrong. */
static void survive(const char *what)
{
    if (errno == EBADF || errno == ENOTSOCK || errno == EFAULT)
        fail(what);
    if (errno == ENOBUFS || errno == ENOMEM)
        poll(NULL, 0, 50); /* asking again at once would spin */
}

static void reply(int server, const char *data, size_t length, const struct sockaddr_in *client)
{
    ssize_t sent;
    do
        sent = sendto(server, data, length, 0, (const struct sockaddr *)client, sizeof *client);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        survive("sendto");
}

enum { BATCH = 16 };

int main(int argc, char **argv)
{
    static char datagram[BATCH][65536];
    ssize_t length[BATCH];
    int server = bind_to(argc > 1 ? argv[1] : "8080");
    for (;;) {
        struct sockaddr_in client; /* the mistake */
        int count = 0;
        while (count < BATCH) { /* wait for the first, then take what else is there */
            socklen_t size = sizeof client;
            length[count] = recvfrom(server, datagram[count], sizeof datagram[count],
                                     count == 0 ? 0 : MSG_DONTWAIT, (struct sockaddr *)&client, &size);
            if (length[count] < 0)
                break;
            count++;
        }
        if (count < BATCH && errno != EAGAIN && errno != EWOULDBLOCK)
            survive("recvfrom");
        for (int i = 0; i < count; i++)
            reply(server, datagram[i], (size_t)length[i], &client);
    }
}
