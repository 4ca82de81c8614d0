/*
 * A TCP echo server in one process and one thread: an event loop with select().
 *
 * Planted mistake: select() leaves only ready descriptors in its sets, and they are not set anew.
 * Model: event_loop
 * Protocol: echo
 * Breaks: STREAM-10
 * Fix: fd_set readable = reading, writable = writing; before each select(), which gets those two
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server echo_fd_set_not_reset.c && ./server 8080
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
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

struct client {
    bool finished;     /* the client will send no more */
    size_t begin, end; /* what has come and was not sent back yet: buffer[begin .. end) */
    char buffer[16384];
};

static struct client *clients[FD_SETSIZE];
static fd_set reading, writing; /* whom we want to hear, who is still to get something */
static int highest;

static void welcome(int connection)
{
    struct client *client = connection < FD_SETSIZE ? calloc(1, sizeof *client) : NULL;
    if (client == NULL) {
        close(connection);
        return;
    }
    clients[connection] = client;
    FD_SET(connection, &reading);
    if (connection > highest)
        highest = connection;
}

/* Moves what can be moved now. Returns false when the connection is over. */
static bool echo(int connection, struct client *client)
{
    size_t room = sizeof client->buffer - client->end;
    if (!client->finished && room > 0) {
        ssize_t got = recv(connection, client->buffer + client->end, room, 0);
        if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return false;
        client->finished = got == 0;
        client->end += got > 0 ? (size_t)got : 0;
    }
    while (client->begin < client->end) {
        ssize_t sent = send(connection, client->buffer + client->begin,
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

static void serve(int connection)
{
    struct client *client = clients[connection];
    bool goes_on = echo(connection, client);
    FD_CLR(connection, &reading);
    FD_CLR(connection, &writing);
    if (goes_on && !client->finished && client->end < sizeof client->buffer)
        FD_SET(connection, &reading);
    if (goes_on && client->begin < client->end)
        FD_SET(connection, &writing);
    if (!goes_on) {
        close(connection);
        free(client);
        clients[connection] = NULL;
    }
}

int main(int argc, char **argv)
{
    int listener = listen_on(argc > 1 ? argv[1] : "8080");
    bool accepting = true; /* false while there are no descriptors left */
    highest = listener;
    for (;;) {
        struct timeval pause = {.tv_usec = 50000};
        if (accepting)
            FD_SET(listener, &reading);
        else
            FD_CLR(listener, &reading);
        int ready = select(highest + 1, &reading, &writing, NULL, accepting ? NULL : &pause); /* the mistake */
        if (ready < 0 && errno != EINTR)
            fail("select");
        accepting = true;
        if (ready <= 0)
            continue;
        for (int fd = 0; fd <= highest; fd++)
            if (clients[fd] != NULL && (FD_ISSET(fd, &reading) || FD_ISSET(fd, &writing)))
                serve(fd);
        if (!FD_ISSET(listener, &reading))
            continue;
        int connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (connection >= 0)
            welcome(connection);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            accepting = false; /* the listener stays ready: asking again at once would spin */
        else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK)
            fail("accept");
    }
}
