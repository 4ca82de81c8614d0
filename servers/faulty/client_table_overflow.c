/*
 * An HTTP server in one process and one thread: an epoll event loop.
 *
 * Planted mistake: The table has room for 64 clients, and nobody looks where it ends: the 65th is written behind it.
 * Model: event_loop
 * Protocol: http
 * Breaks: MEM-01
 * Fix: if (slot == clients + CLIENTS) close(connection), or better a table that grows
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server client_table_overflow.c && ./server 8080
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

struct answer {
    char text[512];
    size_t length;
    bool linger; /* the client may have sent more than was read */
};

static void compose(struct answer *answer, char *head)
{
    char method[16] = "", target[1024] = "", body[64] = "<p>Hello.</p>\n";
    const char *status = "200 OK", *allow = "";
    int end = 0;
    head[strcspn(head, "\r\n")] = '\0'; /* the request line is all we need */
    sscanf(head, "%15s %1023s HTTP/1.%*1[0-9]%n", method, target, &end);
    target[strcspn(target, "?")] = '\0';
    bool head_only = strcmp(method, "HEAD") == 0;
    bool get = head_only || strcmp(method, "GET") == 0;
    if (end == 0 || head[end] != '\0')
        status = "400 Bad Request", head_only = get = false;
    else if (strcmp(target, "/") != 0)
        status = "404 Not Found";
    else if (!get)
        status = "405 Method Not Allowed", allow = "Allow: GET, HEAD\r\n";
    if (strcmp(status, "200 OK") != 0)
        snprintf(body, sizeof body, "<p>%s</p>\n", status);
    answer->linger = !get;
    answer->length = (size_t)snprintf(
        answer->text, sizeof answer->text,
        "HTTP/1.1 %s\r\n%sContent-Type: text/html\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
        status, allow, strlen(body), head_only ? "" : body);
}

struct client {
    int fd;
    struct client **slot;
    size_t have, sent, dropped;
    bool parting; /* the answer is sent; what still comes is dropped */
    struct answer answer;
    char head[16385];
};

enum { CLIENTS = 64 };
static struct client *clients[CLIENTS];

static bool watch(struct client *client, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = client};
    return epoll_ctl(loop, EPOLL_CTL_MOD, client->fd, &event) == 0;
}

/* These two return false when the connection is over. */
static bool receive(struct client *client)
{
    ssize_t n = recv(client->fd, client->head + client->have, sizeof client->head - 1 - client->have, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    if (n == 0)
        return false;
    if (client->parting)
        return (client->dropped += (size_t)n) < 1 << 20;
    client->have += (size_t)n;
    client->head[client->have] = '\0';
    bool complete = memmem(client->head, client->have, "\r\n\r\n", 4) != NULL;
    if (!complete && client->have < sizeof client->head - 1)
        return true;
    if (!complete) /* too long: whatever it asks for, it is refused */
        client->head[0] = '\0';
    compose(&client->answer, client->head);
    return watch(client, EPOLLOUT);
}

static bool transmit(struct client *client)
{
    struct answer *answer = &client->answer;
    while (client->sent < answer->length) {
        ssize_t n = send(client->fd, answer->text + client->sent, answer->length - client->sent,
                         MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        client->sent += (size_t)n;
    }
    /* Closing with unread input makes the kernel send a reset, which may destroy the answer. */
    client->parting = true;
    client->have = 0;
    return answer->linger && shutdown(client->fd, SHUT_WR) == 0 && watch(client, EPOLLIN);
}

static void serve(struct client *client, uint32_t events)
{
    bool goes_on = (events & EPOLLERR) == 0;
    if (goes_on)
        goes_on = (events & EPOLLOUT) != 0 ? transmit(client) : receive(client);
    if (!goes_on) {
        *client->slot = NULL;
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
    struct client **slot = clients;
    while (*slot != NULL) /* the mistake */
        slot++;
    struct client *client = calloc(1, sizeof *client);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (client == NULL || epoll_ctl(loop, EPOLL_CTL_ADD, connection, &event) < 0) {
        perror("a client is let go");
        free(client);
        close(connection);
        return;
    }
    client->fd = connection;
    client->slot = slot;
    *slot = client;
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
