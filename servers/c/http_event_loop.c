/*
 * An HTTP/1.1 server in one process and one thread: an epoll event loop.
 *
 * Shows: non-blocking sockets; for each client a buffer of what came and a buffer of what is still to
 * be sent; connections that are kept and requests that are pipelined; back-pressure; a lingering close.
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server http_event_loop.c && ./server 8080
 *   curl -i http://127.0.0.1:8080/     curl --data-binary @FILE http://127.0.0.1:8080/echo
 *
 * Leaves out: files, chunked bodies (501), the Date field, time limits for clients that stay silent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_LIMIT = 16384, BODY_LIMIT = 1 << 20, LARGE = 262144 };
enum { UNSENT_LIMIT = 65536 }; /* a client that leaves more than this unread is not read from */
enum { LINGER_BYTES = 1 << 20, LINGER_MS = 1000 };

static const char page[] = "<!doctype html><title>Hello</title><p>Hello from an event loop.</p>\n";
static char large[LARGE];

struct buffer { /* data[begin .. end) is in use */
    char *data;
    size_t begin, end, room;
};

struct client {
    int fd;
    uint32_t watched;        /* the events that epoll was told */
    struct buffer in, out;
    bool input_over;         /* the client will send no more */
    bool last, linger;       /* close when `out` is sent; first drop what still comes */
    bool told_to_go_on;      /* "100 Continue" was sent for the request that is coming */
    size_t dropped;          /* while lingering */
    long long deadline;      /* of the lingering, in ms; 0 while not lingering */
    struct client *next;     /* in the list of those lingering */
};

struct request {
    const char *method, *target; /* NULL until the request line is read */
    size_t length;               /* of the body */
    bool has_length, has_host, keep, expects;
};

static int loop;               /* the epoll descriptor */
static bool accepting = true;  /* false while there are no descriptors left */
static struct client *lingering;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* ---- buffers ---- */

static size_t used(const struct buffer *b)
{
    return b->end - b->begin;
}

/* Makes room for `more` bytes behind data[end]. */
static bool reserve(struct buffer *b, size_t more)
{
    if (b->room - b->end >= more)
        return true;
    if (b->begin > 0) {
        memmove(b->data, b->data + b->begin, used(b));
        b->end -= b->begin;
        b->begin = 0;
    }
    if (b->room - b->end >= more)
        return true;
    char *data = realloc(b->data, b->end + more);
    if (data == NULL)
        return false;
    b->data = data;
    b->room = b->end + more;
    return true;
}

static bool append(struct buffer *b, const char *data, size_t length)
{
    if (length == 0)
        return true;
    if (!reserve(b, length))
        return false;
    memcpy(b->data + b->end, data, length);
    b->end += length;
    return true;
}

/* ---- what is answered ---- */

static const char *reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    default: return "Bad Request";
    }
}

static bool answer(struct client *c, const struct request *r, int status, const char *type,
                   const char *allow, const char *body, size_t length)
{
    char head[512];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%sConnection: %s\r\n\r\n",
                     status, reason(status), type, length, allow, r->keep ? "keep-alive" : "close");
    c->last = !r->keep;
    bool head_only = r->method != NULL && strcmp(r->method, "HEAD") == 0;
    return append(&c->out, head, (size_t)n) && (head_only || append(&c->out, body, length));
}

static bool answer_error(struct client *c, const struct request *r, int status, const char *allow)
{
    char text[64];
    int n = snprintf(text, sizeof text, "%d %s\n", status, reason(status));
    return answer(c, r, status, "text/plain", allow, text, (size_t)n);
}

/* For a request whose end is unknown: where the next one would begin is unknown, too. */
static bool refuse(struct client *c, struct request *r, int status)
{
    r->keep = false;
    c->linger = true;
    return answer_error(c, r, status, "");
}

static bool heard_of(const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE",
                                          "OPTIONS", "PATCH", "TRACE", "CONNECT"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(method, methods[i]) == 0)
            return true;
    return false;
}

static bool respond(struct client *c, const struct request *r, const char *body)
{
    bool get = strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
    bool echo = strcmp(r->target, "/echo") == 0, big = strcmp(r->target, "/large") == 0;
    if (!heard_of(r->method))
        return answer_error(c, r, 501, "");
    if (!echo && !big && strcmp(r->target, "/") != 0)
        return answer_error(c, r, 404, "");
    if (echo && strcmp(r->method, "POST") != 0)
        return answer_error(c, r, 405, "Allow: POST\r\n");
    if (!echo && !get)
        return answer_error(c, r, 405, "Allow: GET, HEAD\r\n");
    if (echo)
        return answer(c, r, 200, "application/octet-stream", "", body, r->length);
    if (big)
        return answer(c, r, 200, "text/plain", "", large, LARGE);
    return answer(c, r, 200, "text/html", "", page, sizeof page - 1);
}

/* ---- what is asked: each of these returns 0, or the status that refuses the request ---- */

static int read_length(struct request *r, const char *digits)
{
    size_t length = 0;
    if (*digits == '\0')
        return 400;
    for (; *digits != '\0'; digits++) {
        if (*digits < '0' || *digits > '9')
            return 400;
        if (length <= BODY_LIMIT) /* beyond that it is too large, however long the number */
            length = length * 10 + (size_t)(*digits - '0');
    }
    if (r->has_length && r->length != length)
        return 400;
    r->has_length = true;
    r->length = length;
    return 0;
}

static int read_field(struct request *r, char *line)
{
    char *value = strchr(line, ':');
    /* no space before the colon, and no folded lines (RFC 9112, 5.1 and 5.2) */
    if (value == NULL || value == line || strcspn(line, " \t") < (size_t)(value - line))
        return 400;
    *value++ = '\0';
    value += strspn(value, " \t");
    for (size_t n = strlen(value); n > 0 && strchr(" \t", value[n - 1]) != NULL; n--)
        value[n - 1] = '\0';
    if (strcasecmp(line, "Content-Length") == 0)
        return read_length(r, value);
    if (strcasecmp(line, "Transfer-Encoding") == 0)
        return 501;
    if (strcasecmp(line, "Host") == 0) {
        if (r->has_host)
            return 400;
        r->has_host = true;
    }
    if (strcasecmp(line, "Expect") == 0 && strcasecmp(value, "100-continue") == 0)
        r->expects = true;
    if (strcasecmp(line, "Connection") == 0)
        for (char *word = strtok(value, ", \t"); word != NULL; word = strtok(NULL, ", \t"))
            if (strcasecmp(word, "close") == 0)
                r->keep = false;
    return 0;
}

static int read_request_line(struct request *r, char *line)
{
    char *target = strchr(line, ' ');
    if (target == NULL || target == line)
        return 400;
    *target++ = '\0';
    char *version = strchr(target, ' ');
    if (version == NULL || strlen(version) != 9 || strncmp(version, " HTTP/1.", 8) != 0
        || version[8] < '0' || version[8] > '9')
        return 400;
    *version = '\0';
    target[strcspn(target, "?")] = '\0';
    bool absolute = strncasecmp(target, "http://", 7) == 0; /* RFC 9112, 3.2.2 */
    if (absolute)
        target += 7 + strcspn(target + 7, "/");
    if (*target != '/' && !absolute)
        return 400;
    r->method = line;
    r->target = *target == '/' ? target : "/";
    r->keep = version[8] != '0';
    return 0;
}

/* Splits the lines of a head that ends with an empty line. */
static int read_head(struct request *r, char *head, size_t length)
{
    if (memchr(head, '\0', length) != NULL)
        return 400;
    head[length - 2] = '\0'; /* the empty line is now where the string ends */
    bool first = true, host_needed = false;
    for (char *line = head, *end; *line != '\0'; line = end + 2) {
        end = strstr(line, "\r\n");
        *end = '\0';
        if (line[strcspn(line, "\r\n")] != '\0')
            return 400;
        int status = first ? read_request_line(r, line) : read_field(r, line);
        if (status != 0)
            return status;
        if (first)
            host_needed = r->keep;
        first = false;
    }
    if (first || (host_needed && !r->has_host))
        return 400;
    return r->has_length && r->length > BODY_LIMIT ? 413 : 0;
}

enum outcome { ANSWERED, INCOMPLETE, OUT_OF_MEMORY };

static enum outcome serve_request(struct client *c)
{
    struct request r = {0};
    char *start = c->in.data + c->in.begin, head[HEAD_LIMIT];
    /* one empty line before a request is to be ignored (RFC 9112, 2.2) */
    size_t skip = used(&c->in) >= 2 && memcmp(start, "\r\n", 2) == 0 ? 2 : 0;
    size_t come = used(&c->in) - skip;
    char *end = come > 0 ? memmem(start + skip, come, "\r\n\r\n", 4) : NULL;
    if (come >= 2 && memcmp(start + skip, "\r\n", 2) == 0)
        return refuse(c, &r, 400) ? ANSWERED : OUT_OF_MEMORY;
    size_t length = end != NULL ? (size_t)(end - start) + 4 - skip : come;
    if (length > HEAD_LIMIT)
        return refuse(c, &r, 431) ? ANSWERED : OUT_OF_MEMORY;
    if (end == NULL)
        return INCOMPLETE;

    memcpy(head, start + skip, length);
    int status = read_head(&r, head, length);
    if (status == 0 && !r.has_length && strcmp(r.method, "POST") == 0
        && strcmp(r.target, "/echo") == 0)
        status = 411;
    if (status != 0)
        return refuse(c, &r, status) ? ANSWERED : OUT_OF_MEMORY;
    if (come - length < r.length) {
        if (r.expects && come == length && !c->told_to_go_on) {
            c->told_to_go_on = true;
            return append(&c->out, "HTTP/1.1 100 Continue\r\n\r\n", 25) ? INCOMPLETE : OUT_OF_MEMORY;
        }
        return INCOMPLETE;
    }
    c->told_to_go_on = false;
    bool done = respond(c, &r, start + skip + length);
    c->in.begin += skip + length + r.length;
    c->linger = c->last && used(&c->in) > 0; /* more came than will be read */
    return done ? ANSWERED : OUT_OF_MEMORY;
}

/* ---- one client ---- */

static void part(struct client *c)
{
    for (struct client **link = &lingering; *link != NULL; link = &(*link)->next)
        if (*link == c) {
            *link = c->next;
            break;
        }
    close(c->fd); /* leaves the epoll set by itself: there is no other copy (epoll(7)) */
    free(c->in.data);
    free(c->out.data);
    free(c);
}

/* The next three return false when the connection is over. */
static bool take_input(struct client *c)
{
    if (!reserve(&c->in, HEAD_LIMIT))
        return false;
    ssize_t n = recv(c->fd, c->in.data + c->in.end, c->in.room - c->in.end, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    c->input_over = n == 0;
    c->in.end += (size_t)n;
    return true;
}

static bool send_output(struct client *c)
{
    while (used(&c->out) > 0) {
        ssize_t n = send(c->fd, c->out.data + c->out.begin, used(&c->out), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        c->out.begin += (size_t)n;
    }
    c->out.begin = c->out.end = 0;
    return true;
}

/* Closing with unread input makes the kernel send a reset, which may destroy the answer on its way
   (RFC 9112, 9.6). So: say that we have finished, then read what still comes, within bounds. */
static bool linger(struct client *c)
{
    char scrap[16384];
    if (c->deadline == 0) {
        if (shutdown(c->fd, SHUT_WR) < 0)
            return false;
        c->next = lingering;
        lingering = c;
        c->deadline = now_ms() + LINGER_MS;
    }
    ssize_t n = recv(c->fd, scrap, sizeof scrap, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    c->dropped += (size_t)n;
    c->deadline = now_ms() + LINGER_MS;
    return n > 0 && c->dropped < LINGER_BYTES;
}

static bool wants_input(const struct client *c)
{
    return c->deadline != 0 || (!c->last && !c->input_over && used(&c->out) <= UNSENT_LIMIT);
}

/* Does everything that can be done for this client now. */
static bool advance(struct client *c)
{
    if (c->deadline == 0 && wants_input(c) && !take_input(c))
        return false;
    if (!send_output(c))
        return false;
    enum outcome outcome = ANSWERED;
    while (outcome == ANSWERED && !c->last && used(&c->out) <= UNSENT_LIMIT) {
        outcome = serve_request(c);
        if (outcome == OUT_OF_MEMORY || !send_output(c))
            return false;
    }
    if (used(&c->out) > 0)
        return true;
    if (c->last)
        return c->linger && linger(c);
    return !c->input_over || outcome == ANSWERED;
}

static void serve(struct client *c, uint32_t events)
{
    /* A reset is reported even when nothing was asked for: whoever ignores it spins (epoll_ctl(2)).
       Lingering, we have closed our direction, and EPOLLHUP only means that the client followed. */
    bool gone = (events & EPOLLERR) != 0 || ((events & EPOLLHUP) != 0 && c->deadline == 0);
    bool goes_on = !gone && advance(c);
    uint32_t wanted = (wants_input(c) ? EPOLLIN : 0) | (used(&c->out) > 0 ? EPOLLOUT : 0);
    if (goes_on && wanted != c->watched) {
        struct epoll_event event = {.events = wanted, .data.ptr = c};
        goes_on = epoll_ctl(loop, EPOLL_CTL_MOD, c->fd, &event) == 0;
        c->watched = wanted;
    }
    if (!goes_on)
        part(c);
}

/* How long epoll_wait() may sleep: for ever, unless something is to be done at a given time. */
static int patience(void)
{
    long long nearest = accepting ? -1 : 50;
    for (struct client *c = lingering; c != NULL; c = c->next) {
        long long left = c->deadline - now_ms();
        if (left < 0)
            left = 0;
        if (nearest < 0 || left < nearest)
            nearest = left;
    }
    return (int)nearest;
}

static void end_overdue_lingering(void)
{
    for (struct client *c = lingering, *next; c != NULL; c = next) {
        next = c->next;
        if (c->deadline <= now_ms())
            part(c);
    }
}

/* ---- the listener, the one descriptor watched without a client ---- */

static void watch_listener(int operation, int listener, bool on)
{
    struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.ptr = NULL};
    if (epoll_ctl(loop, operation, listener, &event) < 0)
        fail("epoll_ctl");
    accepting = on;
}

static void welcome(int connection)
{
    struct client *c = calloc(1, sizeof *c);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (c == NULL || epoll_ctl(loop, EPOLL_CTL_ADD, connection, &event) < 0) {
        perror("a client is let go");
        free(c);
        close(connection);
        return;
    }
    c->fd = connection;
    c->watched = EPOLLIN;
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
        /* any other error concerns the connection that came, not those that come (accept(2)) */
    }
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
    /* Non-blocking too: a client may vanish between epoll_wait() and accept() (accept(2)). */
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
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

int main(int argc, char **argv)
{
    for (size_t i = 0; i < LARGE; i++) /* "abc..z\n" again and again: a lost piece shows */
        large[i] = i % 27 < 26 ? (char)('a' + i % 27) : '\n';

    int listener = listen_on(argc, argv);
    loop = epoll_create1(0);
    if (loop < 0)
        fail("epoll_create1");
    watch_listener(EPOLL_CTL_ADD, listener, true);

    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(loop, events, 64, patience());
        if (count < 0 && errno != EINTR) /* a stop and continue interrupts, too (signal(7)) */
            fail("epoll_wait");
        if (!accepting)
            watch_listener(EPOLL_CTL_MOD, listener, true);
        for (int i = 0; i < count; i++)
            if (events[i].data.ptr == NULL)
                accept_all(listener);
            else
                serve(events[i].data.ptr, events[i].events);
        end_overdue_lingering(); /* only now: no event of this round may point to a client that has gone */
    }
}
