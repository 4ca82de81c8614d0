/*
 * An HTTP/1.1 server that forks a child for each connection, which runs another program for the page.
 *
 * Shows: how a program's output becomes an answer (CGI, RFC 3875): pipe, fork, exec, read to the end.
 * Why every copy of the pipe's writing end must be closed: the reader sees an end only then.
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server http_fork_cgi.c && ./server 8080
 *   curl -i http://127.0.0.1:8080/
 *
 * Leaves out: request bodies for the program, files, chunked bodies (501), "Expect", time limits.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HEAD_LIMIT = 16384, BODY_LIMIT = 1 << 20, PIECE = 16384 };

static const char bad_request[] = "400 Bad Request";

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

/* Without a body the status is the body. It may bring a field with it: "405 ...\r\nAllow: GET". */
static bool answer(int fd, const struct request *r, const char *status, const char *body, size_t length)
{
    char head[256];
    const char *type = body != NULL ? "text/html" : "text/plain";
    if (body == NULL)
        body = status, length = strcspn(status, "\r");
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: %s\r\n\r\n",
                     status, type, length, r->keep ? "keep-alive" : "close");
    return send_all(fd, head, (size_t)n) && (r->head_only || send_all(fd, body, length));
}

/* The program that makes the page: this very file, started again. It may print, take long, or crash. */
static int make_page(void)
{
    const char *method = getenv("REQUEST_METHOD"), *script = getenv("SCRIPT_NAME");
    if (method == NULL || script == NULL)
        return 1;
    printf("<!doctype html><title>CGI</title><p>A program of its own says: %s %s</p>\n", method, script);
    return fflush(stdout) == 0 ? 0 : 1;
}

static void become_program(const struct request *r, int output)
{
    char *arguments[] = {"page", "--page", NULL};
    if (dup2(output, STDOUT_FILENO) < 0 || setenv("REQUEST_METHOD", r->method, 1) < 0
        || setenv("SCRIPT_NAME", r->target, 1) < 0)
        _exit(126);
    execv("/proc/self/exe", arguments); /* pipe and connection are close-on-exec */
    _exit(127);
}

/* Runs the program and reads its output to the end; returns how many bytes, or -1 if it failed. */
static ssize_t run_program(const struct request *r, char *output, size_t room)
{
    int ends[2], status;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    pid_t program = fork();
    if (program == 0)
        become_program(r, ends[1]);
    close(ends[1]); /* ours is a copy, too: while it is open, read() below would wait for ever */
    size_t have = 0;
    ssize_t n = program < 0 ? -1 : 1;
    while (n > 0 && have < room) {
        n = read(ends[0], output + have, room - have);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            have += (size_t)n;
    }
    close(ends[0]);
    if (program < 0 || waitpid(program, &status, 0) < 0 || n < 0)
        return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? (ssize_t)have : -1;
}

static bool respond(int fd, const struct request *r)
{
    static char page[PIECE];
    if (strcmp(r->target, "/") != 0)
        return answer(fd, r, "404 Not Found", NULL, 0);
    if (!r->head_only && strcmp(r->method, "GET") != 0)
        return answer(fd, r, "405 Method Not Allowed\r\nAllow: GET, HEAD", NULL, 0);
    struct request asked = *r;
    asked.method = "GET"; /* HEAD is answered as GET is, without the body (RFC 9110, 9.3.2) */
    ssize_t length = run_program(&asked, page, sizeof page);
    return length < 0 ? answer(fd, r, "502 Bad Gateway", NULL, 0)
                      : answer(fd, r, "200 OK", page, (size_t)length);
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
    const char *refusal = head > HEAD_LIMIT ? "431 Request Header Fields Too Large"
                                            : parse(&r, peer->in, head);
    if (refusal != NULL) { /* where the next request would begin is unknown, so this was the last */
        r.keep = false;
        if (answer(peer->fd, &r, refusal, NULL, 0))
            linger(peer);
        return false;
    }
    size_t whole = head + r.length;
    while (peer->have < whole)
        if (!receive(peer))
            return false;
    if (!respond(peer->fd, &r))
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
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection >= 0)
            return connection;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            poll(NULL, 0, 50); /* the connection is still queued: asking again at once would spin */
        else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK)
            fail("accept");
    }
}

/* One SIGCHLD may stand for many children (signal(7)), so ask until there are no more. */
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
    if (argc == 2 && strcmp(argv[1], "--page") == 0)
        return make_page();

    struct sigaction finished = {.sa_handler = reap, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    if (sigaction(SIGCHLD, &finished, NULL) < 0)
        fail("sigaction");

    int listener = listen_on(argc > 1 ? argv[1] : "8080");
    for (;;) {
        int connection = next_connection(listener);
        pid_t child = fork();
        if (child == 0) {
            static struct peer peer; /* too large for a small stack */
            close(listener);
            signal(SIGCHLD, SIG_DFL); /* this child waits for its own program itself */
            peer.fd = connection;
            while (serve_request(&peer))
                continue;
            close(connection);
            _exit(0); /* not exit(): the parent's buffered output is the parent's to write */
        }
        if (child < 0)
            perror("fork"); /* this client is let go; the next may have more luck */
        close(connection);
    }
}
