/*
 * An HTTP server in one process and one thread: an epoll event loop.
 *
 * Planted mistake: Once a client is ready its whole request is awaited in a loop, while all others wait.
 * Model: event_loop
 * Protocol: http
 * Breaks: LIFE-10
 * Fix: call recv() once for each event, and go on when epoll reports the next one
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server half_request_blocks.c && ./server 8080
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
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

struct client {
    int fd;
};

static bool send_all(int connection, const char *data, size_t left)
{
    while (left > 0) {
        ssize_t sent = send(connection, data, left, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return false;
        if (sent > 0) {
            data += sent;
            left -= (size_t)sent;
        }
    }
    return true;
}

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

/* Closing with unread input makes the kernel send a reset, which may destroy the answer. */
static void linger(int connection)
{
    char scrap[4096];
    struct pollfd input = {.fd = connection, .events = POLLIN};
    ssize_t n = shutdown(connection, SHUT_WR);
    for (size_t dropped = 0; n >= 0 && dropped < 1 << 20; dropped += (size_t)n)
        if (poll(&input, 1, 1000) <= 0 || (n = recv(connection, scrap, sizeof scrap, 0)) <= 0)
            return;
}

static void answer_request(int connection)
{
    struct answer answer;
    char head[16385] = "";
    size_t have = 0;
    while (memmem(head, have, "\r\n\r\n", 4) == NULL && have < sizeof head - 1) {
        ssize_t n = recv(connection, head + have, sizeof head - 1 - have, 0);
        if (n < 0 && errno == EINTR)
            continue; /* the mistake: it is this loop that waits */
        if (n <= 0)
            return;
        have += (size_t)n;
        head[have] = '\0';
    }
    if (memmem(head, have, "\r\n\r\n", 4) == NULL) /* too long: whatever it asks for, it is refused */
        head[0] = '\0';
    compose(&answer, head);
    if (send_all(connection, answer.text, answer.length) && answer.linger)
        linger(connection);
}

static void serve(struct client *client)
{
    answer_request(client->fd);
    close(client->fd);
    free(client);
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
        int connection = accept(listener, NULL, NULL);
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
                serve(events[i].data.ptr);
    }
}
