/*
 * A TCP echo server in one process and one thread: an epoll event loop.
 *
 * Planted mistake: At the end of a client its descriptor is taken out of the epoll set, but not closed.
 * Model: event_loop
 * Protocol: echo
 * Breaks: STREAM-06
 * Fix: close(client->fd), which takes it out of the set as well
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server echo_never_closes.c && ./server 8080
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

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int listen_on(const char *text)
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
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0
        || bind(listener, (struct sockaddr *)&address, sizeof address) < 0
        || listen(listener, 128) < 0)
        fail("cannot listen");
    printf("listening on 127.0.0.1:%ld\n", port);
    fflush(stdout);
    return listener;
}

static int loop;              /* the epoll descriptor */
static bool accepting = true; /* false while there are no descriptors left */

struct client {
    int fd;
    bool finished;     /* the client will send no more */
    uint32_t watched;  /* the events that epoll was told; 0: those of the start */
    size_t begin, end; /* what has come and was not sent back yet: buffer[begin .. end) */
    char buffer[65536];
};

/* Moves what can be moved now. Returns false when the connection is over. */
static bool echo(struct client *client)
{
    size_t room = sizeof client->buffer - client->end;
    if (!client->finished && room > 0) {
        ssize_t got = recv(client->fd, client->buffer + client->end, room, 0);
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
        if (sent < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        client->begin += (size_t)sent;
    }
    client->begin = client->end = 0;
    return !client->finished;
}

static void serve(struct client *client, uint32_t events)
{
    bool goes_on = (events & (EPOLLERR | EPOLLHUP)) == 0 && echo(client);
    bool full = client->end == sizeof client->buffer, pending = client->begin < client->end;
    uint32_t wanted = (client->finished || full ? 0 : EPOLLIN) | (pending ? EPOLLOUT : 0);
    if (goes_on && wanted != client->watched) {
        struct epoll_event event = {.events = wanted, .data.ptr = client};
        goes_on = epoll_ctl(loop, EPOLL_CTL_MOD, client->fd, &event) == 0;
        client->watched = wanted;
    }
    if (!goes_on) {
        if (client->finished)
            epoll_ctl(loop, EPOLL_CTL_DEL, client->fd, NULL); /* the mistake */
        else
            close(client->fd);
        free(client);
    }
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
    struct client *client = calloc(1, sizeof *client);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (client == NULL || epoll_ctl(loop, EPOLL_CTL_ADD, connection, &event) < 0) {
        perror("a client is let go");
        free(client);
        close(connection);
        return;
    }
    client->fd = connection;
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
    }
}

int main(int argc, char **argv)
{
    int listener = listen_on(argc > 1 ? argv[1] : "8080");
    loop = epoll_create1(0);
    if (loop < 0)
        fail("epoll_create1");
    watch_listener(EPOLL_CTL_ADD, listener, true);
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(loop, events, 64, accepting ? -1 : 50);
        if (count < 0 && errno != EINTR)
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
