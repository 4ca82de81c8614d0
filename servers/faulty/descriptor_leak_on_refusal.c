/*
 * An HTTP server that serves one client after the other.
 *
 * Planted mistake: A method that is not supported is refused on a way of its own, and that passes by close().
 * Model: iterative
 * Protocol: http
 * Breaks: RESP-14, RES-02
 * Fix: no return in front of close()
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server descriptor_leak_on_refusal.c && ./server 8080
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0
        || bind(listener, (struct sockaddr *)&address, sizeof address) < 0
        || listen(listener, 128) < 0)
        fail("cannot listen");
    printf("listening on 127.0.0.1:%ld\n", port);
    fflush(stdout);
    return listener;
}

static int next_connection(int listener)
{
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection >= 0)
            return connection;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            poll(NULL, 0, 50); /* the connection is still queued: asking again at once would spin */
        else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK)
            fail("accept");
    }
}

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

static void serve(int connection)
{
    struct answer answer;
    char head[16385] = "";
    size_t have = 0;
    while (memmem(head, have, "\r\n\r\n", 4) == NULL && have < sizeof head - 1) {
        ssize_t n = recv(connection, head + have, sizeof head - 1 - have, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            close(connection);
            return;
        }
        have += (size_t)n;
        head[have] = '\0';
    }
    if (memmem(head, have, "\r\n\r\n", 4) == NULL) /* too long: whatever it asks for, it is refused */
        head[0] = '\0';
    compose(&answer, head);
    if (strncmp(answer.text, "HTTP/1.1 405", 12) == 0) {
        send_all(connection, answer.text, answer.length);
        return; /* the mistake */
    }
    if (send_all(connection, answer.text, answer.length) && answer.linger)
        linger(connection);
    close(connection);
}

int main(int argc, char **argv)
{
    int listener = listen_on(argc > 1 ? argv[1] : "8080");
    for (;;) {
        int connection = next_connection(listener);
        serve(connection);
    }
}
