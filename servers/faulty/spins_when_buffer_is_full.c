/*
 * A TCP echo server in one process and one thread: an epoll event loop.
 *
 * Planted mistake: Input is watched for while the buffer has no room for it: it is reported at once, every time.
 * Model: event_loop
 * Protocol: echo
 * Breaks: LIFE-08
 * Fix: no EPOLLIN while the buffer is full
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server spins_when_buffer_is_full.c && ./server 8080
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 65536 };

struct client {
    int fd;
    bool finished;     /* the client will send no more */
    uint32_t watched;  /* the events that epoll was told */
    size_t begin, end; /* what has come and was not sent back yet: buffer[begin .. end) */
    char buffer[BUFFER];
};

static int loop;             /* the epoll descriptor */
static bool accepting = true; /* false while there are no descriptors left */

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int listen_on(int argc, char **argv)
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
    /* Non-blocking too: a client may vanish between epoll_wait() and accept() (accept(2)). */
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0)
        fail("socket");
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        fail("setsockopt");
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0)
        fail("bind");
    if (listen(listener, 128) < 0)
        fail("listen");
    printf("listening on 127.0.0.1:%ld\n", port);
    fflush(stdout);
    return listener;
}

/* The listener is the one descriptor watched without a client. */
static void watch_listener(int operation, int listener, bool on)
{
    struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.ptr = NULL};
    if (epoll_ctl(loop, operation, listener, &event) < 0)
        fail("epoll_ctl");
    accepting = on;
}

static void welcome(int connection)
{
    struct client *client = malloc(sizeof *client);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (client == NULL || epoll_ctl(loop, EPOLL_CTL_ADD, connection, &event) < 0) {
        perror("a client is let go");
        free(client);
        close(connection);
        return;
    }
    client->fd = connection;
    client->finished = false;
    client->watched = EPOLLIN;
    client->begin = client->end = 0;
}

static void accept_all(int listener)
{
    for (;;) {
        int connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (connection >= 0)
            welcome(connection);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            watch_listener(EPOLL_CTL_MOD, listener, false); /* it stays ready: we would spin */
            return;
        } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK)
            fail("accept");
        /* any other error concerns the connection that came, not those that come (accept(2)) */
    }
}

/* Moves what can be moved now. Returns false when the client is done with, or gone. */
static bool echo(struct client *client)
{
    if (!client->finished && client->end < BUFFER) {
        ssize_t got = recv(client->fd, client->buffer + client->end, BUFFER - client->end, 0);
        if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return false;
        client->finished = got == 0;
        client->end += got > 0 ? (size_t)got : 0;
    }
    while (client->begin < client->end) {
        ssize_t sent = send(client->fd, client->buffer + client->begin,
                            client->end - client->begin, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (sent < 0)
            return false;
        client->begin += (size_t)sent;
    }
    client->begin = client->end = 0;
    return !client->finished;
}

static void serve(struct client *client, uint32_t events)
{
    /* A reset is reported even when nothing was asked for: whoever ignores it spins (epoll_ctl(2)). */
    bool goes_on = (events & (EPOLLERR | EPOLLHUP)) == 0 && echo(client);
    uint32_t wanted = (!client->finished ? EPOLLIN : 0) /* the mistake: room or not */
                    | (client->begin < client->end ? EPOLLOUT : 0);
    if (goes_on && wanted != client->watched) {
        struct epoll_event event = {.events = wanted, .data.ptr = client};
        goes_on = epoll_ctl(loop, EPOLL_CTL_MOD, client->fd, &event) == 0;
        client->watched = wanted;
    }
    if (!goes_on) {
        close(client->fd); /* leaves the epoll set by itself: there is no other copy (epoll(7)) */
        free(client);
    }
}

int main(int argc, char **argv)
{
    int listener = listen_on(argc, argv);
    loop = epoll_create1(0);
    if (loop < 0)
        fail("epoll_create1");
    watch_listener(EPOLL_CTL_ADD, listener, true);

    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(loop, events, 64, accepting ? -1 : 50);
        if (count < 0 && errno != EINTR) /* a stop and continue interrupts, too (signal(7)) */
            fail("epoll_wait");
        if (!accepting)
            watch_listener(EPOLL_CTL_MOD, listener, true);
        for (int i = 0; i < count; i++)
            if (events[i].data.ptr == NULL)
                accept_all(listener);
            else
                serve(events[i].data.ptr, events[i].events);
    }
}
