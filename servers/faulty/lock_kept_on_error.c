/*
 * An HTTP/1.1 server that starts a thread for each connection.
 *
 * Planted mistake: A malformed request is refused with the lock of the counters in hand, and nobody gives it back.
 * Model: thread
 * Protocol: http
 * Breaks: RESP-22, RES-02, RES-03
 * Fix: pthread_mutex_unlock() before the return, too
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server lock_kept_on_error.c && ./server 8080
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_LIMIT = 16384, BODY_LIMIT = 1 << 20, PIECE = 16384, LARGE = 262144 };

static const char page[] = "<!doctype html><title>Hello</title><p>Hello from a server.</p>\n";
static const char bad_request[] = "400 Bad Request";
static char large[LARGE];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long asked, answered; /* requests, of all clients */

struct peer {
    int fd;
    size_t have; /* bytes received and not used yet */
    char in[HEAD_LIMIT + BODY_LIMIT + PIECE]; /* the longest request, and a piece of the next */
};

struct request {
    const char *method, *target;
    size_t length; /* of the body */
    bool head_only, has_length, needs_host, keep;
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static bool receive(struct peer *peer)
{
    ssize_t n;
    do
        n = recv(peer->fd, peer->in + peer->have, PIECE, 0);
    while (n < 0 && errno == EINTR);
    peer->have += n > 0 ? (size_t)n : 0;
    return n > 0;
}

static bool send_all(int fd, const char *data, size_t left)
{
    while (left > 0) {
        ssize_t n = send(fd, data, left, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            data += n, left -= (size_t)n;
    }
    return true;
}

/* Closing with unread input makes the kernel send a reset, which may destroy the answer on its way
   (RFC 9112, 9.6). So: say that we have finished, then read what still comes, within bounds. */
static void linger(struct peer *peer)
{
    struct pollfd input = {.fd = peer->fd, .events = POLLIN};
    bool more = shutdown(peer->fd, SHUT_WR) == 0;
    for (size_t dropped = 0; more && dropped < BODY_LIMIT; dropped += peer->have) {
        peer->have = 0;
        more = poll(&input, 1, 1000) > 0 && receive(peer);
    }
}

/* Takes one header line into the request. NULL, or the status that refuses it; so does parse(). */
static const char *take_field(struct request *r, const char *name, const char *value)
{
    size_t digits = strspn(value, "0123456789");
    if (strcasecmp(name, "Transfer-Encoding") == 0)
        return "501 Not Implemented";
    if (strcasecmp(name, "Host") == 0)
        r->needs_host = false;
    if (strcasecmp(name, "Connection") == 0 && strcasestr(value, "close") != NULL)
        r->keep = false;
    if (strcasecmp(name, "Content-Length") != 0)
        return NULL;
    if (r->has_length || digits == 0 || value[digits + strspn(value + digits, " \t")] != '\0')
        return bad_request;
    r->has_length = true;
    r->length = strtoul(value, NULL, 10); /* ULONG_MAX if it is larger than that */
    return r->length > BODY_LIMIT ? "413 Content Too Large" : NULL;
}

static const char *parse(struct request *r, char *head, size_t length)
{
    head[length - 2] = '\0'; /* in place of the empty line */
    char *target = strchr(head, ' '), *version = target != NULL ? strchr(target + 1, ' ') : NULL;
    char *end = head + strcspn(head, "\r\n");
    if (strlen(head) != length - 2 || version == NULL || target == head || target[1] != '/'
        || strncmp(version, " HTTP/1.", 8) != 0 || version[8] < '0' || version[8] > '9'
        || version + 9 != end || strncmp(end, "\r\n", 2) != 0)
        return bad_request;
    *target++ = *version = '\0';
    r->method = head;
    r->target = strsep(&target, "?");
    r->keep = r->needs_host = version[8] != '0'; /* an HTTP/1.0 client expects us to close */

    for (char *name = end + 2, *colon; *name != '\0'; name = end + 2) {
        colon = name + strcspn(name, ": \t\r\n");
        end = name + strcspn(name, "\r\n");
        if (colon == name || *colon != ':' || strncmp(end, "\r\n", 2) != 0)
            return bad_request;
        *colon = *end = '\0';
        const char *refusal = take_field(r, name, colon + 1 + strspn(colon + 1, " \t"));
        if (refusal != NULL)
            return refusal;
    }
    return r->needs_host ? bad_request : NULL;
}

/* Without a body the status is the body. It may bring a field with it: "405 ...\r\nAllow: POST". */
static bool answer(int fd, const struct request *r, const char *status, const char *body, size_t length)
{
    char head[256];
    if (body == NULL)
        body = status, length = strcspn(status, "\r");
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n",
                     status, body == page ? "text/html" : "text/plain", length,
                     r->keep ? "keep-alive" : "close");
    return send_all(fd, head, (size_t)n) && (r->head_only || send_all(fd, body, length));
}

static bool respond(int fd, const struct request *r, const char *body)
{
    bool get = r->head_only || strcmp(r->method, "GET") == 0, post = strcmp(r->method, "POST") == 0;
    bool echo = strcmp(r->target, "/echo") == 0, big = strcmp(r->target, "/large") == 0;
    if (!echo && !big && strcmp(r->target, "/") != 0)
        return answer(fd, r, "404 Not Found", NULL, 0);
    if (echo)
        return post ? answer(fd, r, "200 OK", body, r->length)
                    : answer(fd, r, "405 Method Not Allowed\r\nAllow: POST", NULL, 0);
    if (!get)
        return answer(fd, r, "405 Method Not Allowed\r\nAllow: GET, HEAD", NULL, 0);
    return big ? answer(fd, r, "200 OK", large, LARGE) : answer(fd, r, "200 OK", page, sizeof page - 1);
}

/* One request and its answer. Returns whether the connection goes on. */
static bool serve_request(struct peer *peer)
{
    char *end;
    while ((end = memmem(peer->in, peer->have, "\r\n\r\n", 4)) == NULL && peer->have <= HEAD_LIMIT)
        if (!receive(peer))
            return false;
    size_t head = end != NULL ? (size_t)(end + 4 - peer->in) : peer->have;
    struct request r = {.head_only = memcmp(peer->in, "HEAD ", 5) == 0};
    pthread_mutex_lock(&lock);
    asked++;
    const char *refusal = head > HEAD_LIMIT ? "431 Request Header Fields Too Large"
                                            : parse(&r, peer->in, head);
    if (refusal != NULL) { /* where the next request would begin is unknown, so this was the last */
        r.keep = false;
        if (answer(peer->fd, &r, refusal, NULL, 0))
            linger(peer);
        return false; /* the mistake */
    }
    answered++;
    pthread_mutex_unlock(&lock);
    size_t whole = head + r.length;
    while (peer->have < whole)
        if (!receive(peer))
            return false;
    if (!respond(peer->fd, &r, peer->in + head))
        return false;
    peer->have -= whole;
    memmove(peer->in, peer->in + whole, peer->have);
    if (!r.keep && peer->have > 0) /* more came than will be read */
        linger(peer);
    return r.keep;
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
    /* TCP_NODELAY, which connections inherit: a body need not wait until its head is acknowledged. */
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0
        || setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0
        || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 128) < 0)
        fail("cannot listen");
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

static void *serve(void *argument)
{
    struct peer *peer = argument;
    while (serve_request(peer))
        continue;
    close(peer->fd);
    free(peer);
    return NULL;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < LARGE; i++) /* "abc..z\n" again and again: a lost piece shows */
        large[i] = i % 27 < 26 ? (char)('a' + i % 27) : '\n';

    pthread_attr_t detached;
    if ((errno = pthread_attr_init(&detached)) != 0
        || (errno = pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED)) != 0)
        fail("pthread_attr");

    int listener = listen_on(argc > 1 ? argv[1] : "8080");
    for (;;) {
        int connection = next_connection(listener);
        struct peer *peer = malloc(sizeof *peer); /* the thread's own, which it frees */
        pthread_t thread;
        int error = ENOMEM;
        if (peer != NULL) {
            peer->fd = connection;
            peer->have = 0;
            error = pthread_create(&thread, &detached, serve, peer);
        }
        if (error != 0) { /* this client is let go; the next may have more luck */
            fprintf(stderr, "pthread_create: %s\n", strerror(error));
            close(connection);
            free(peer);
        }
    }
}
