/*
 * An HTTP server that forks a child for each connection and keeps the connection open.
 *
 * Planted mistake: One deadline, set at the start, is for all of a request: who is merely slow is cut off, too.
 * Model: fork
 * Protocol: http
 * Breaks: TIME-03
 * Fix: poll(&input, 1, SECONDS * 1000), which is a limit for the next piece alone
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server deadline_from_the_start.c && ./server 8080
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
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

static void answer(int fd, const char *status, const char *fields, const char *body, bool head_only,
                   bool keep)
{
    char text[1024];
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: %zu\r\n"
                     "%sConnection: %s\r\n\r\n%s",
                     status, strlen(body), fields, keep ? "keep-alive" : "close", head_only ? "" : body);
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

/* Reads up to the empty line. Returns the head's length, 0: the client has left, -1: head too long. */
static ssize_t read_head(int fd, char *head, size_t *have)
{
    char *end;
    time_t deadline = time(NULL) + SECONDS; /* the mistake */
    while (head[*have] = '\0', (end = memmem(head, *have, "\r\n\r\n", 4)) == NULL) {
        if (*have == LIMIT)
            return -1;
        struct pollfd input = {.fd = fd, .events = POLLIN};
        time_t left = deadline - time(NULL);
        if (left <= 0 || poll(&input, 1, (int)left * 1000) == 0)
            return 0; /* its time is over */
        ssize_t n = recv(fd, head + *have, LIMIT - *have, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        *have += (size_t)n;
    }
    return end + 4 - head;
}

/* Whether "close" is among the options of a Connection field (RFC 9112 9.6). */
static bool asks_to_close(const char *head)
{
    const char *field = head;
    while ((field = strcasestr(field, "\r\nConnection:")) != NULL) {
        field += strlen("\r\nConnection:");
        while (*field != '\r' && *field != '\0') {
            field += strspn(field, ", \t");
            size_t size = strcspn(field, ", \t\r\n");
            if (size == 5 && strncasecmp(field, "close", size) == 0)
                return true;
            field += size;
        }
    }
    return false;
}

/* One request and its answer. Returns whether the connection goes on. */
static bool serve_request(int fd, char *head, size_t *have)
{
    char method[16] = "", target[256] = "", minor[2] = "", end[2];
    ssize_t length = read_head(fd, head, have);
    if (length == 0)
        return false;
    char next = '\0'; /* what follows belongs to the next request */
    if (length > 0) {
        next = head[length];
        head[length] = '\0';
    }
    const char *line = head + (strncmp(head, "\r\n", 2) == 0 ? 2 : 0);
    bool well_formed = sscanf(line, "%15[A-Z] %255[^ \r\n] HTTP/1.%1[0-9]%1[\r]", method, target,
                              minor, end) == 4;
    target[strcspn(target, "?")] = '\0';
    bool head_only = strcmp(method, "HEAD") == 0;
    bool known_method = head_only || strcmp(method, "GET") == 0;
    bool has_body = strcasestr(head, "\r\nContent-Length:") || strcasestr(head, "\r\nTransfer-Encoding:");
    bool asked_to_close = strcmp(minor, "0") == 0 || asks_to_close(head);
    bool clear = length > 0 && well_formed && known_method && !has_body;
    bool keep = clear && !asked_to_close;

    if (length < 0)
        answer(fd, "431 Request Header Fields Too Large", "", "Too large\n", head_only, keep);
    else if (!well_formed)
        answer(fd, "400 Bad Request", "", "Bad request\n", head_only, keep);
    else if (strcmp(target, "/") != 0)
        answer(fd, "404 Not Found", "", "Not found\n", head_only, keep);
    else if (!known_method)
        answer(fd, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", "Not allowed\n", head_only, keep);
    else
        answer(fd, "200 OK", "", page, head_only, keep);

    if (!clear)
        linger(fd);
    if (keep) {
        head[length] = next;
        *have -= (size_t)length;
        memmove(head, head + length, *have);
    }
    return keep;
}

static void serve(int fd)
{
    char head[LIMIT + 1];
    size_t have = 0;
    while (serve_request(fd, head, &have))
        continue;
}

/* One SIGCHLD may stand for many children (signal(7)). */
static void reap(int signal_number)
{
    int kept = errno;
    (void)signal_number;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
    errno = kept;
}

int main(int argc, char **argv)
{
    struct sigaction finished = {.sa_handler = reap, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    if (sigaction(SIGCHLD, &finished, NULL) < 0)
        fail("sigaction");

    int listener = listen_on(argc > 1 ? argv[1] : "8080");
    for (;;) {
        int connection = next_connection(listener);
        pid_t child = fork();
        if (child == 0) {
            close(listener);
            serve(connection);
            close(connection);
            _exit(0);
        }
        if (child < 0)
            perror("fork");
        close(connection);
    }
}
