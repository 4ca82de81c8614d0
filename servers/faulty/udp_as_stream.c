/*
 * A UDP echo server: every datagram goes back to the address it came from.
 *
 * Planted mistake: Datagrams that wait are put together, like pieces of a stream, and get one answer.
 * Model: iterative
 * Protocol: udp
 * Breaks: DGRAM-07
 * Fix: answer each datagram for itself, with the length that its recvfrom() returned
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server udp_as_stream.c && ./server 8080
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static bool same(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
    return a->sin_addr.s_addr == b->sin_addr.s_addr && a->sin_port == b->sin_port;
}

int main(int argc, char **argv)
{
    static char datagram[65536], stream[65507];
    size_t have = 0;
    bool open = false; /* something of `partner` has come and is not answered yet */
    struct sockaddr_in client, partner = {0};
    int server = bind_to(argc > 1 ? argv[1] : "8080");
    for (;;) {
        socklen_t size = sizeof client;
        ssize_t length = recvfrom(server, datagram, sizeof datagram, open ? MSG_DONTWAIT : 0,
                                  (struct sockaddr *)&client, &size);
        if (length < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            survive("recvfrom");
        bool more = length >= 0 && open && same(&client, &partner)
                 && have + (size_t)length <= sizeof stream;
        if (open && !more) {
            reply(server, stream, have, &partner);
            have = 0;
        }
        open = length >= 0;
        if (open) {
            memcpy(stream + have, datagram, (size_t)length); /* the mistake */
            have += (size_t)length;
            partner = client;
        }
    }
}
