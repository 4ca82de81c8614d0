/*
 * A TCP echo server in one process and one thread: an epoll event loop.
 *
 * Planted mistake: EAGAIN from send() ends the loop that sends, and what it could not take is forgotten.
 * Model: event_loop
 * Protocol: echo
 * Breaks: STREAM-05
 * Fix: keep the rest, stop reading, and go on sending when epoll reports EPOLLOUT
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server echo_eagain_drops.c && ./server 8080
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
    char buffer[16384];
};

/* Returns false when the connection is over. */
static bool echo(struct client *client)
{
    ssize_t got = recv(client->fd, client->buffer, sizeof client->buffer, 0);
    if (got < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    for (size_t done = 0; done < (size_t)got;) {
        ssize_t sent = send(client->fd, client->buffer + done, (size_t)got - done, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break; /* the mistake */
        if (sent < 0 && errno != EINTR)
            return false;
        if (sent > 0)
            done += (size_t)sent;
    }
    return got > 0;
}

static void serve(struct client *client, uint32_t events)
{
    if ((events & EPOLLERR) != 0 || !echo(client)) {
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
    int room = 32768; /* in the kernel for one client; it doubles the number (socket(7)) */
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (client == NULL || setsockopt(connection, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) < 0
        || epoll_ctl(loop, EPOLL_CTL_ADD, connection, &event) < 0) {
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
