/*
 * An HTTP server that forks a child for each connection, which it keeps for further requests.
 *
 * Planted mistake: Small pages are flushed out of the buffer of a FILE, the large one is forgotten in it.
 * Model: fork
 * Protocol: http
 * Breaks: RESP-30
 * Contract: [http] large_path = "/large"
 * Fix: fflush(out) behind every answer
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server large_page_unflushed.c && ./server 8080
 *   curl http://127.0.0.1:8080/large
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
#include <unistd.h>

enum { LIMIT = 16384, LARGE = 262144 };

static const char page[] = "<!doctype html><title>Hello</title><p>Hello from a server.</p>\n";
static char large[LARGE + 1];

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

struct peer {
    int fd;
    size_t have; /* bytes received and not used yet */
    char in[LIMIT + 1];
    FILE *out;
};

/* Reads up to the empty line. Returns the head's length, 0: the client has left, -1: head too long. */
static ssize_t read_head(struct peer *peer)
{
    for (;;) {
        char *end = memmem(peer->in, peer->have, "\r\n\r\n", 4);
        if (end != NULL)
            return end + 4 - peer->in;
        if (peer->have == LIMIT)
            return -1;
        ssize_t n = recv(peer->fd, peer->in + peer->have, LIMIT - peer->have, 0);
        if (n == 0 || (n < 0 && errno != EINTR))
            return 0;
        peer->have += n > 0 ? (size_t)n : 0;
    }
}

static void write_answer(FILE *out, const char *status, const char *body, bool head_only, bool keep)
{
    fprintf(out, "HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: %zu\r\n", status, strlen(body));
    fprintf(out, "Connection: %s\r\n\r\n%s", keep ? "keep-alive" : "close", head_only ? "" : body);
}

static void answer(FILE *out, const char *status, const char *body, bool head_only, bool keep)
{
    write_answer(out, status, body, head_only, keep);
    if (fflush(out) != 0)
        perror("fflush"); /* the client has gone */
}

/* One request and its answer. Returns whether the connection goes on. */
static bool serve_request(struct peer *peer)
{
    char method[16] = "", target[256] = "", minor[2] = "", end[2];
    ssize_t length = read_head(peer);
    if (length == 0)
        return false;
    size_t used = length > 0 ? (size_t)length : peer->have;
    char after = peer->in[used];
    peer->in[used] = '\0'; /* the head is a string now */
    const char *line = peer->in + (strncmp(peer->in, "\r\n", 2) == 0 ? 2 : 0);
    bool well_formed = length > 0 && sscanf(line, "%15[A-Z] %255[^ \r\n] HTTP/1.%1[0-9]%1[\r]", method,
                                            target, minor, end) == 4;
    target[strcspn(target, "?")] = '\0';
    bool head_only = strcmp(method, "HEAD") == 0;
    bool known_method = head_only || strcmp(method, "GET") == 0;
    bool has_body = strcasestr(line, "\r\nContent-Length:") || strcasestr(line, "\r\nTransfer-Encoding:");
    const char *wish = strcasestr(line, "\r\nConnection:");
    bool ends = wish != NULL && strcasestr(wish, "close") != NULL;
    bool keep = well_formed && known_method && !has_body && !ends && strcmp(minor, "0") != 0;

    if (length < 0)
        answer(peer->out, "431 Request Header Fields Too Large", "Too large\n", head_only, keep);
    else if (!well_formed)
        answer(peer->out, "400 Bad Request", "Bad request\n", head_only, keep);
    else if (!known_method)
        answer(peer->out, "405 Method Not Allowed\r\nAllow: GET, HEAD", "Not allowed\n", head_only, keep);
    else if (strcmp(target, "/large") == 0)
        write_answer(peer->out, "200 OK", large, head_only, keep); /* the mistake */
    else if (strcmp(target, "/") == 0)
        answer(peer->out, "200 OK", page, head_only, keep);
    else
        answer(peer->out, "404 Not Found", "Not found\n", head_only, keep);

    peer->in[used] = after;
    peer->have -= used;
    memmove(peer->in, peer->in + used, peer->have);
    return keep;
}

static void serve(int fd)
{
    static struct peer peer;
    static char buffer[2 * LARGE]; /* the large page, too, is to leave in one piece */
    peer.fd = fd;
    peer.out = fdopen(fd, "w");
    if (peer.out == NULL || setvbuf(peer.out, buffer, _IOFBF, sizeof buffer) != 0)
        fail("fdopen");
    while (serve_request(&peer))
        continue;
    if (fflush(peer.out) == 0)
        linger(fd);
    fclose(peer.out);
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
    for (size_t i = 0; i < LARGE; i++) /* "abc..z\n" again and again */
        large[i] = i % 27 < 26 ? (char)('a' + i % 27) : '\n';

    struct sigaction finished = {.sa_handler = reap, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    if (sigaction(SIGCHLD, &finished, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        fail("sigaction");

    int listener = listen_on(argc > 1 ? argv[1] : "8080");
    for (;;) {
        int connection = next_connection(listener);
        pid_t child = fork();
        if (child == 0) {
            close(listener);
            serve(connection);
            _exit(0);
        }
        if (child < 0)
            perror("fork");
        close(connection);
    }
}
