/*
 * An HTTP/1.1 server that serves one client after the other, in one process.
 *
 * Shows: the plainest form: accept, read one request, answer it, close. How a request is read when
 * it comes in any number of pieces, and how a connection is closed without losing the answer.
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server http_iterative.c && ./server 8080
 *   curl -i http://127.0.0.1:8080/     curl --data-binary @FILE http://127.0.0.1:8080/echo
 *
 * Leaves out: files, chunked bodies (501), the Date field, persistent connections, time limits (a
 * client that sends nothing keeps all others waiting; the concurrent servers are the answer).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_LIMIT = 16384, BODY_LIMIT = 1 << 20, LARGE = 262144 };

static const char page[] = "<!doctype html><title>Hello</title><p>Hello from a server.</p>\n";
/* 65 characters: a length that no buffer size is a multiple of, so a lost or doubled piece shows */
static const char row[] = "abcdefghijklmnopqrstuvwxyz 0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ\n";
static char large[LARGE];

struct peer {
    int fd;
    size_t have; /* bytes received and not used yet */
    char in[HEAD_LIMIT];
};

struct request {
    const char *method, *path;
    long long length; /* of the body, -1 when nothing is said */
    int hosts;
    bool waits; /* for "100 Continue" */
};

static ssize_t receive(int fd, void *to, size_t room)
{
    ssize_t n;
    do
        n = recv(fd, to, room, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

static bool send_all(int fd, const char *data, size_t left, int flags)
{
    while (left > 0) {
        ssize_t n = send(fd, data, left, MSG_NOSIGNAL | flags);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            data += n, left -= (size_t)n;
    }
    return true;
}

/* Closing with unread input makes the kernel send a reset, which may destroy the answer on its way
   (RFC 9112, 9.6). So: say that we have finished, then read what still comes, within bounds. */
static void linger(int fd)
{
    char scrap[4096];
    struct pollfd input = {.fd = fd, .events = POLLIN};
    ssize_t n = shutdown(fd, SHUT_WR);
    for (size_t dropped = 0; n >= 0 && dropped < BODY_LIMIT; dropped += (size_t)n)
        if (poll(&input, 1, 1000) <= 0 || (n = receive(fd, scrap, sizeof scrap)) <= 0)
            return;
}

static const char *reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    default: return "Bad Request";
    }
}

/* `fields` are further header lines, each with its CRLF. */
static bool answer(int fd, const struct request *r, int status, const char *fields,
                   const char *body, size_t length)
{
    char head[512];
    bool with_body = length > 0 && strcmp(r->method, "HEAD") != 0;
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %d %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
                     reason(status), fields, length);
    return send_all(fd, head, (size_t)n, with_body ? MSG_MORE : 0)
        && (!with_body || send_all(fd, body, length, 0));
}

static bool answer_error(int fd, const struct request *r, int status, const char *allow)
{
    char fields[128], text[64];
    snprintf(fields, sizeof fields, "Content-Type: text/plain\r\n%s", allow);
    int n = snprintf(text, sizeof text, "%d %s\n", status, reason(status));
    return answer(fd, r, status, fields, text, (size_t)n);
}

static void drop(struct peer *peer, size_t count)
{
    peer->have -= count;
    memmove(peer->in, peer->in + count, peer->have);
}

/* Reads up to the empty line. Returns the head's length, 0 if the client has left, -1 if the head
   is too long. */
static ssize_t read_head(struct peer *peer)
{
    for (bool skipped = false;;) {
        bool empty_line = peer->have >= 2 && memcmp(peer->in, "\r\n", 2) == 0;
        if (empty_line && skipped)
            return 2;
        if (empty_line) { /* RFC 9112, 2.2: one empty line before a request is to be ignored */
            drop(peer, 2);
            skipped = true;
            continue;
        }
        char *end = memmem(peer->in, peer->have, "\r\n\r\n", 4);
        if (end != NULL)
            return end + 4 - peer->in;
        if (peer->have == HEAD_LIMIT)
            return -1;
        ssize_t n = receive(peer->fd, peer->in + peer->have, HEAD_LIMIT - peer->have);
        if (n <= 0)
            return 0;
        peer->have += (size_t)n;
    }
}

/* Takes one header line into the request. 0, or the status that refuses it. */
static int take_field(struct request *r, char *line)
{
    size_t name = strcspn(line, ": \t");
    if (name == 0 || line[name] != ':')
        return 400;
    line[name] = '\0';
    char *value = line + name + 1;
    value += strspn(value, " \t");
    for (size_t n = strlen(value); n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'); n--)
        value[n - 1] = '\0';
    if (strcasecmp(line, "Host") == 0 && r->hosts++ > 0)
        return 400;
    if (strcasecmp(line, "Transfer-Encoding") == 0)
        return 501;
    if (strcasecmp(line, "Expect") == 0 && strcasecmp(value, "100-continue") == 0)
        r->waits = true;
    if (strcasecmp(line, "Content-Length") == 0) {
        long long length = strtoll(value, NULL, 10);
        if (*value == '\0' || value[strspn(value, "0123456789")] != '\0')
            return 400;
        if (r->length >= 0 && r->length != length)
            return 400;
        r->length = length;
    }
    return 0;
}

/* Splits the head in place. 0, or the status that refuses the request. */
static int parse(char *head, size_t length, struct request *r)
{
    if (memchr(head, '\0', length) != NULL)
        return 400;
    head[length - 2] = '\0';
    char *next = strstr(head, "\r\n"), *target = strchr(head, ' ');
    if (next == NULL || target == NULL || target > next || target == head)
        return 400;
    *next = '\0';
    *target++ = '\0';
    char *version = strchr(target, ' ');
    if (version == NULL || strncmp(version, " HTTP/1.", 8) != 0
        || strspn(version + 8, "0123456789") != 1 || version[9] != '\0')
        return 400;
    *version = '\0';
    if (strncasecmp(target, "http://", 7) == 0) /* absolute-form: RFC 9112, 3.2.2 */
        target = target[7 + strcspn(target + 7, "/?")] == '/' ? strchr(target + 7, '/') : "/";
    else if (target[0] != '/')
        return 400;
    r->method = head;
    r->path = strsep(&target, "?");
    bool host_needed = version[8] != '0';
    for (char *line = next + 2; *line != '\0'; line = next + 2) {
        next = strstr(line, "\r\n");
        *next = '\0';
        int status = take_field(r, line);
        if (status != 0)
            return status;
    }
    return host_needed && r->hosts == 0 ? 400 : 0;
}

/* The body, to be freed by the caller; NULL when the client has left before its end. */
static char *read_body(struct peer *peer, size_t length)
{
    char *body = malloc(length + 1);
    if (body == NULL)
        return NULL;
    size_t got = peer->have < length ? peer->have : length;
    memcpy(body, peer->in, got);
    drop(peer, got);
    while (got < length) {
        ssize_t n = receive(peer->fd, body + got, length - got);
        if (n <= 0) {
            free(body);
            return NULL;
        }
        got += (size_t)n;
    }
    return body;
}

static bool heard_of(const char *method)
{
    static const char *const others[] = {"PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(method, others[i]) == 0)
            return true;
    return false;
}

static bool respond(int fd, const struct request *r, const char *body)
{
    bool get = strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
    bool post = strcmp(r->method, "POST") == 0;
    bool echo = strcmp(r->path, "/echo") == 0;
    if (!get && !post && !heard_of(r->method))
        return answer_error(fd, r, 501, "");
    if (!echo && strcmp(r->path, "/") != 0 && strcmp(r->path, "/large") != 0)
        return answer_error(fd, r, 404, "");
    if (echo ? !post : !get)
        return answer_error(fd, r, 405, echo ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n");
    if (echo)
        return answer(fd, r, 200, "Content-Type: application/octet-stream\r\n", body,
                      (size_t)r->length);
    if (strcmp(r->path, "/large") == 0)
        return answer(fd, r, 200, "Content-Type: text/plain\r\n", large, LARGE);
    return answer(fd, r, 200, "Content-Type: text/html\r\n", page, sizeof page - 1);
}

/* One request and its answer. */
static void serve_request(struct peer *peer)
{
    struct request r = {.method = "", .path = "", .length = -1};
    ssize_t head_length = read_head(peer);
    if (head_length == 0)
        return;
    char head[HEAD_LIMIT];
    int status = 431;
    if (head_length > 0) {
        memcpy(head, peer->in, (size_t)head_length);
        drop(peer, (size_t)head_length);
        status = parse(head, (size_t)head_length, &r);
    }
    if (status == 0 && r.length > BODY_LIMIT)
        status = 413;
    bool echo = strcmp(r.method, "POST") == 0 && strcmp(r.path, "/echo") == 0;
    if (status == 0 && echo && r.length < 0)
        status = 411;
    if (status != 0) { /* a body may be on its way that nobody will read */
        if (answer_error(peer->fd, &r, status, ""))
            linger(peer->fd);
        return;
    }
    if (r.waits && r.length > 0 && peer->have == 0
        && !send_all(peer->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, 0))
        return;
    char *body = read_body(peer, r.length > 0 ? (size_t)r.length : 0);
    bool done = body != NULL && respond(peer->fd, &r, body);
    free(body);
    if (done && peer->have > 0) /* more came than will be read */
        linger(peer->fd);
}

static void serve(int connection)
{
    struct peer peer = {.fd = connection};
    serve_request(&peer);
}

static int fail(const char *what)
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
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
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

/* accept(2) also reports what went wrong on the new connection, or a shortage that passes: neither
   concerns the clients that come later. */
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

int main(int argc, char **argv)
{
    for (size_t i = 0; i < LARGE; i++)
        large[i] = row[i % (sizeof row - 1)];

    int listener = listen_on(argc, argv);
    for (;;) {
        int connection = next_connection(listener);
        serve(connection);
        close(connection);
    }
}
