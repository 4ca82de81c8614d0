/*
 * An HTTP/1.1 server in one process and one thread: an epoll event loop.
 *
 * Planted mistake: Whoever has been idle for too long is noted down, then requests are read: a new one gets half an answer.
 * Model: event_loop
 * Protocol: http
 * Breaks: TIME-07
 * Fix: look who has been idle when the events have been handled
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server idle_limit_cuts_answer.c && ./server 8080
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_LIMIT = 16384, BODY_LIMIT = 1 << 20, PIECE = 16384, LARGE = 262144 };
enum { IDLE_LIMIT_MS = 30000 };

static const char page[] = "<!doctype html><title>Hello</title><p>Hello from an event loop.</p>\n";
static const char bad_request[] = "400 Bad Request";
static char large[LARGE];

struct request {
    const char *method, *target;
    size_t head, length; /* of the head and of the body; head is 0 until all of it has come */
    bool head_only, has_length, needs_host, keep;
};

struct client {
    int fd;
    struct client *next;
    int64_t idle_since; /* when it was last heard of, or its answer was out, in milliseconds */
    bool is_idle, over; /* no answer is due to it; it is to be let go */
    struct request request;
    char head[256]; /* of the answer */
    struct { const char *data; size_t left; } unsent[2]; /* of the answer: head and body */
    size_t used;    /* bytes of `in` that the answer is for: the body of an echo is still there */
    bool last, unread; /* the answer is the last; the client sends more than was used */
    bool lingering, input_over;
    size_t dropped; /* bytes, while lingering */
    size_t have;    /* bytes received and not used up */
    char in[HEAD_LIMIT + BODY_LIMIT + PIECE]; /* the longest request, and a piece of the next */
};

static struct client *clients;
static int loop;              /* the epoll descriptor */
static bool accepting = true; /* false while there are no descriptors left */

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ms(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
        fail("clock_gettime");
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
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
static void answer(struct client *c, const char *status, const char *body, size_t length)
{
    const struct request *r = &c->request;
    if (body == NULL)
        body = status, length = strcspn(status, "\r");
    int n = snprintf(c->head, sizeof c->head,
                     "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n",
                     status, body == page ? "text/html" : "text/plain", length,
                     r->keep ? "keep-alive" : "close");
    c->unsent[0].data = c->head;
    c->unsent[0].left = (size_t)n;
    c->unsent[1].data = body;
    c->unsent[1].left = r->head_only ? 0 : length;
    c->last = !r->keep;
    c->used = r->head + r->length;
}

static void respond(struct client *c)
{
    const struct request *r = &c->request;
    bool get = r->head_only || strcmp(r->method, "GET") == 0, post = strcmp(r->method, "POST") == 0;
    bool echo = strcmp(r->target, "/echo") == 0, big = strcmp(r->target, "/large") == 0;
    if (!echo && !big && strcmp(r->target, "/") != 0)
        answer(c, "404 Not Found", NULL, 0);
    else if (echo && !post)
        answer(c, "405 Method Not Allowed\r\nAllow: POST", NULL, 0);
    else if (!echo && !get)
        answer(c, "405 Method Not Allowed\r\nAllow: GET, HEAD", NULL, 0);
    else if (echo)
        answer(c, "200 OK", c->in + r->head, r->length);
    else if (big)
        answer(c, "200 OK", large, LARGE);
    else
        answer(c, "200 OK", page, sizeof page - 1);
}

/* Makes the next answer. Returns false when more must come before that. */
static bool serve_request(struct client *c)
{
    struct request *r = &c->request;
    if (c->used > 0) { /* the last answer is sent, its request can go */
        c->have -= c->used;
        memmove(c->in, c->in + c->used, c->have);
        c->used = 0;
        *r = (struct request){0};
    }
    if (r->head == 0) {
        char *end = memmem(c->in, c->have, "\r\n\r\n", 4);
        if (end == NULL && c->have <= HEAD_LIMIT)
            return false;
        r->head = end != NULL ? (size_t)(end + 4 - c->in) : c->have;
        r->head_only = memcmp(c->in, "HEAD ", 5) == 0;
        const char *refusal = r->head > HEAD_LIMIT ? "431 Request Header Fields Too Large"
                                                   : parse(r, c->in, r->head);
        if (refusal != NULL) { /* where the next request would begin is unknown, so this was the last */
            r->keep = false;
            c->unread = true;
            answer(c, refusal, NULL, 0);
            return true;
        }
    }
    if (c->have < r->head + r->length)
        return false;
    c->unread = c->have > r->head + r->length;
    respond(c);
    return true;
}

/* These return false when the connection is over. */
static bool receive(struct client *c)
{
    if (c->lingering) {
        c->dropped += c->have;
        c->have = 0;
    }
    ssize_t n = recv(c->fd, c->in + c->have, PIECE, 0);
    c->input_over = n == 0;
    c->have += n > 0 ? (size_t)n : 0;
    return n >= 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* One send a turn, so that a large answer keeps nobody waiting. */
static bool send_answer(struct client *c)
{
    int i = c->unsent[0].left > 0 ? 0 : 1;
    if (c->unsent[i].left == 0)
        return true;
    ssize_t n = send(c->fd, c->unsent[i].data, c->unsent[i].left, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    c->unsent[i].data += n;
    c->unsent[i].left -= (size_t)n;
    return true;
}

/* Closing with unread input makes the kernel send a reset, which may destroy the answer on its way
   (RFC 9112, 9.6). So: say that we have finished, then read what still comes, up to a limit. */
static bool linger(struct client *c)
{
    bool unread = c->unread || recv(c->fd, c->in, 1, MSG_PEEK) > 0;
    c->lingering = unread && shutdown(c->fd, SHUT_WR) == 0;
    c->have = 0;
    return c->lingering;
}

/* Does everything that can be done now. No answer is made before the one ahead of it is sent. */
static bool advance(struct client *c)
{
    while (!c->lingering) {
        if (!send_answer(c))
            return false;
        if (c->unsent[0].left + c->unsent[1].left > 0)
            return true;
        if (c->last ? !linger(c) : !serve_request(c))
            return !c->last && !c->input_over;
    }
    return !c->input_over && c->dropped < BODY_LIMIT;
}

static void let_go(struct client *c)
{
    struct client **place = &clients;
    while (*place != c)
        place = &(*place)->next;
    *place = c->next;
    close(c->fd); /* leaves the epoll set by itself: there is no other copy (epoll(7)) */
    free(c);
}

/* Returns false when the connection is over. */
static bool serve(struct client *c, uint32_t events)
{
    /* A reset is reported even when nothing was asked for: whoever ignores it spins (epoll_ctl(2)).
       Lingering, we have closed our direction, and EPOLLHUP only means that the client followed. */
    bool gone = (events & EPOLLERR) != 0 || ((events & EPOLLHUP) != 0 && !c->lingering);
    bool goes_on = !gone && ((events & EPOLLIN) == 0 || receive(c)) && advance(c);
    /* A client that does not take its answer is not listened to either. */
    bool waits = c->unsent[0].left + c->unsent[1].left > 0;
    struct epoll_event event = {.events = waits ? EPOLLOUT : EPOLLIN, .data.ptr = c};
    c->is_idle = !waits;
    c->idle_since = now_ms();
    return goes_on && epoll_ctl(loop, EPOLL_CTL_MOD, c->fd, &event) == 0;
}

/* Milliseconds until the first idle client is to be let go, -1: nobody is idle. */
static int time_to_wait(void)
{
    int64_t soonest = -1, now = now_ms();
    for (struct client *c = clients; c != NULL; c = c->next) {
        int64_t left = c->idle_since + IDLE_LIMIT_MS - now;
        if (c->is_idle && (soonest < 0 || left < soonest))
            soonest = left > 0 ? left : 0;
    }
    return (int)soonest;
}

static void note_who_is_idle(void)
{
    int64_t now = now_ms();
    for (struct client *c = clients; c != NULL; c = c->next)
        c->over = c->is_idle && now - c->idle_since >= IDLE_LIMIT_MS;
}

static void let_idle_ones_go(void)
{
    for (struct client *c = clients, *next; c != NULL; c = next) {
        next = c->next;
        if (c->over)
            let_go(c);
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
    struct client *c = malloc(sizeof *c);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (c == NULL || epoll_ctl(loop, EPOLL_CTL_ADD, connection, &event) < 0) {
        perror("a client is let go");
        free(c);
        close(connection);
        return;
    }
    memset(c, 0, offsetof(struct client, in)); /* the rest costs no memory until it is touched */
    c->fd = connection;
    c->next = clients;
    clients = c;
    c->is_idle = true;
    c->idle_since = now_ms();
}

/* accept(2) also reports what went wrong on the new connection, or a shortage that passes: neither
   concerns the clients that come later. Should more of them wait, epoll says so again. */
static void accept_client(int listener)
{
    int connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (connection >= 0)
        welcome(connection);
    else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        watch_listener(EPOLL_CTL_MOD, listener, false); /* it stays ready: we would spin */
    else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK)
        fail("accept");
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
    /* Non-blocking too: a client may vanish between epoll_wait() and accept() (accept(2)). */
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    /* TCP_NODELAY, which connections inherit: a body need not wait until its head is acknowledged. */
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0
        || setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0
        || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 128) < 0)
        fail("cannot listen");
    printf("listening on 127.0.0.1:%ld\n", port);
    fflush(stdout);
    return listener;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < LARGE; i++) /* "abc..z\n" again and again: a lost piece shows */
        large[i] = i % 27 < 26 ? (char)('a' + i % 27) : '\n';

    int listener = listen_on(argc > 1 ? argv[1] : "8080");
    loop = epoll_create1(0);
    if (loop < 0)
        fail("epoll_create1");
    watch_listener(EPOLL_CTL_ADD, listener, true);

    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(loop, events, 64, accepting ? time_to_wait() : 50);
        if (count < 0 && errno == EINTR) /* a stop and continue interrupts, too (signal(7)) */
            continue;
        if (count < 0)
            fail("epoll_wait");
        if (!accepting)
            watch_listener(EPOLL_CTL_MOD, listener, true);
        note_who_is_idle(); /* the mistake: the next lines read what they ask */
        for (int i = 0; i < count; i++) {
            struct client *c = events[i].data.ptr;
            if (c == NULL)
                accept_client(listener);
            else if (!serve(c, events[i].events))
                let_go(c);
        }
        let_idle_ones_go();
    }
}
