/*
 * A UDP echo server: every datagram goes back to the address it came from.
 *
 * Shows: why there is nothing to accept and nobody to fork, why an empty datagram is a datagram and
 * not an end, and that the answer's length is what recvfrom() returned, never what the text says.
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server udp_echo.c && ./server 8080
 *   printf 'any bytes' | nc -u -w 1 127.0.0.1 8080
 *
 * Leaves out: any check of who asks. On a public address an echo service can be aimed at others.
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

/* No SO_REUSEADDR: UDP has no TIME_WAIT, and with it a second server could take the port as well
   (socket(7)), and the datagrams with it. */
static int bind_to(int argc, char **argv)
{
    const char *text = argc > 1 ? argv[1] : "8080";
    char *end;
    long port = strtol(text, &end, 10);
    if (end == text || *end != '\0' || port < 1 || port > 65535) {
        fprintf(stderr, "%s: \"%s\" is not a port: give a number from 1 to 65535\n", argv[0], text);
        exit(2);
    }
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((in_port_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int server = socket(AF_INET, SOCK_DGRAM, 0);
    if (server < 0)
        fail("socket");
    if (bind(server, (struct sockaddr *)&address, sizeof address) < 0)
        fail("bind");
    printf("listening on 127.0.0.1:%ld\n", port);
    fflush(stdout);
    return server;
}

/* An error here is news of one datagram (an ICMP message that came back, say) or a shortage that
   passes. Only a descriptor that is no socket of ours ends the server. */
static void survive(const char *what)
{
    if (errno == EBADF || errno == ENOTSOCK || errno == EFAULT)
        fail(what);
    if (errno == ENOBUFS || errno == ENOMEM)
        poll(NULL, 0, 50); /* asking again at once would spin */
}

int main(int argc, char **argv)
{
    static char datagram[65536]; /* the largest UDP payload over IPv4 is 65507 bytes */
    int server = bind_to(argc, argv);
    for (;;) {
        struct sockaddr_storage sender;
        socklen_t sender_size = sizeof sender; /* recvfrom() overwrites it: set it each time */
        ssize_t length = recvfrom(server, datagram, sizeof datagram, 0,
                                  (struct sockaddr *)&sender, &sender_size);
        if (length < 0) {
            survive("recvfrom");
            continue;
        }
        ssize_t sent;
        do
            sent = sendto(server, datagram, (size_t)length, 0, (struct sockaddr *)&sender,
                          sender_size);
        while (sent < 0 && errno == EINTR);
        if (sent < 0)
            survive("sendto");
    }
}
