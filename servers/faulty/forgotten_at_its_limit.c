/*
 * An HTTP server that starts a thread for each connection.
 *
 * Planted mistake: A client whose time is over is forgotten: its thread ends, and nobody closes its connection.
 * Model: thread
 * Protocol: http
 * Breaks: RES-02
 * Fix: close(connection), whatever serve() returns
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server forgotten_at_its_limit.c && ./server 8080
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { LIMIT = 16384, SECONDS = 30 };

static const char page[] = "<!doctype html><title>Hello</title><p>Hello from a server.</p>\n";

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
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0
        || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0
        || bind(listener, (struct sockaddr *)&address, sizeof address) < 0
        || listen(listener, 128) < 0)
        fail("cannot listen");
    printf("listening on 127.0.0.1:%ld\n", port);
    fflush(stdout);
    return listener;
}

/* accept(2): most errors concern one connection only, and a shortage passes. */
static int next_connection(int listener)
{
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection >= 0)
            return connection;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            poll(NULL, 0, 50);
        else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK)
            fail("accept");
    }
}

static void send_all(int fd, const char *data, size_t left)
{
    while (left > 0) {
        ssize_t n = send(fd, data, left, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return; /* the client has gone */
        if (n > 0)
            data += n, left -= (size_t)n;
    }
}

static void answer(int fd, const char *status, const char *fields, const char *body, bool head_only)
{
    char text[1024];
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: %zu\r\n"
                     "%sConnection: close\r\n\r\n%s",
                     status, strlen(body), fields, head_only ? "" : body);
    send_all(fd, text, (size_t)n);
}

/* Closing with unread input would reset the connection and might destroy the answer. */
static void linger(int fd)
{
    char scrap[4096];
    struct pollfd input = {.fd = fd, .events = POLLIN};
    ssize_t n = shutdown(fd, SHUT_WR);
    for (size_t dropped = 0; n >= 0 && dropped < 1 << 20; dropped += (size_t)n)
        if (poll(&input, 1, 1000) <= 0 || (n = recv(fd, scrap, sizeof scrap, 0)) == 0)
            return;
}

/* From now on recv() fails with EAGAIN when nothing comes for so long. */
static void limit_waiting(int fd)
{
    struct timeval limit = {.tv_sec = SECONDS};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0)
        perror("setsockopt");
}

/* Reads up to the empty line. Returns the bytes read, 0: the client has left, -1: head too long,
   -2: its time is over. */
static ssize_t read_head(int fd, char *head)
{
    size_t have = 0;
    while (have < LIMIT) {
        ssize_t n = recv(fd, head + have, LIMIT - have, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return -2;
        if (n <= 0)
            return 0;
        have += (size_t)n;
        head[have] = '\0';
        if (memmem(head, have, "\r\n\r\n", 4) != NULL)
            return (ssize_t)have;
    }
    return -1;
}

/* Returns false where the client's time was over. */
static bool serve(int fd)
{
    char head[LIMIT + 1], method[16] = "", target[256] = "", minor[2], end[2];
    ssize_t length = read_head(fd, head);
    if (length == -2)
        return false;
    if (length == 0)
        return true;
    const char *line = head + (strncmp(head, "\r\n", 2) == 0 ? 2 : 0);
    bool well_formed = sscanf(line, "%15[A-Z] %255[^ \r\n] HTTP/1.%1[0-9]%1[\r]", method, target,
                              minor, end) == 4;
    target[strcspn(target, "?")] = '\0';
    bool head_only = strcmp(method, "HEAD") == 0;
    bool known_method = head_only || strcmp(method, "GET") == 0;

    if (length < 0)
        answer(fd, "431 Request Header Fields Too Large", "", "Too large\n", head_only);
    else if (!well_formed)
        answer(fd, "400 Bad Request", "", "Bad request\n", head_only);
    else if (strcmp(target, "/") != 0)
        answer(fd, "404 Not Found", "", "Not found\n", head_only);
    else if (!known_method)
        answer(fd, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", "Not allowed\n", head_only);
    else
        answer(fd, "200 OK", "", page, head_only);

    bool has_body = strcasestr(head, "\r\nContent-Length:") || strcasestr(head, "\r\nTransfer-Encoding:");
    if (length < 0 || !well_formed || !known_method || has_body)
        linger(fd);
    return true;
}

static void *serve_client(void *argument)
{
    int connection = (int)(intptr_t)argument;
    limit_waiting(connection);
    if (serve(connection))
        close(connection); /* the mistake: not where its time was over */
    return NULL;
}

int main(int argc, char **argv)
{
    int listener = listen_on(argc > 1 ? argv[1] : "8080");
    for (;;) {
        int connection = next_connection(listener);
        pthread_t thread;
        int error = pthread_create(&thread, NULL, serve_client, (void *)(intptr_t)connection);
        if (error == 0)
            error = pthread_detach(thread);
        else
            close(connection); /* this client is let go */
        if (error != 0)
            fprintf(stderr, "pthread: %s\n", strerror(error));
    }
}
