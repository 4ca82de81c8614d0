/*
 * An HTTP server with four worker processes, which take turns at accept.
 *
 * Planted mistake: The lock in shared memory stays taken when the worker that holds it dies: all wait for it for ever.
 * Model: prefork
 * Protocol: http
 * Breaks: FORK-15
 * Fix: pthread_mutexattr_setrobust(), and pthread_mutex_consistent() where pthread_mutex_lock() returns EOWNERDEAD
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server lock_dies_with_worker.c && ./server 8080
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT = 16384, WORKERS = 4 };

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

/* Reads up to the empty line. Returns the bytes read, 0: the client has left, -1: head too long. */
static ssize_t read_head(int fd, char *head)
{
    size_t have = 0;
    while (have < LIMIT) {
        ssize_t n = recv(fd, head + have, LIMIT - have, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        have += (size_t)n;
        head[have] = '\0';
        if (memmem(head, have, "\r\n\r\n", 4) != NULL)
            return (ssize_t)have;
    }
    return -1;
}

static void serve(int fd)
{
    char head[LIMIT + 1], method[16] = "", target[256] = "", minor[2], end[2];
    ssize_t length = read_head(fd, head);
    if (length == 0)
        return;
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
}

static pthread_mutex_t *new_lock(void)
{
    pthread_mutexattr_t shared;
    pthread_mutex_t *lock = mmap(NULL, sizeof *lock, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (lock == MAP_FAILED)
        fail("mmap");
    if ((errno = pthread_mutexattr_init(&shared)) != 0
        || (errno = pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED)) != 0
        || (errno = pthread_mutex_init(lock, &shared)) != 0) /* the mistake */
        fail("pthread_mutex_init");
    return lock;
}

/* The child never returns from here: it serves one client after the other. */
static pid_t start_worker(int listener, pthread_mutex_t *lock, const sigset_t *mask)
{
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        perror("fork"); /* the others can do without it */
    if (pid != 0)
        return pid;
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent
        || sigprocmask(SIG_SETMASK, mask, NULL) < 0)
        _exit(1);
    for (;;) {
        if (pthread_mutex_lock(lock) != 0)
            _exit(1);
        int connection = next_connection(listener);
        if (pthread_mutex_unlock(lock) != 0)
            _exit(1);
        serve(connection);
        close(connection);
    }
}

static void stop(const pid_t *workers)
{
    for (int i = 0; i < WORKERS; i++)
        if (workers[i] > 0)
            kill(workers[i], SIGTERM);
    while (wait(NULL) > 0 || errno == EINTR)
        continue;
}

int main(int argc, char **argv)
{
    sigset_t awaited, mask;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD);
    sigaddset(&awaited, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &awaited, &mask) < 0)
        fail("sigprocmask");

    int listener = listen_on(argc > 1 ? argv[1] : "8080");
    pthread_mutex_t *lock = new_lock();
    pid_t workers[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        workers[i] = start_worker(listener, lock, &mask);
    for (;;) {
        int arrived = sigwaitinfo(&awaited, NULL);
        if (arrived == SIGTERM) {
            stop(workers);
            return 0;
        }
        for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;)
            for (int i = 0; i < WORKERS; i++)
                if (workers[i] == pid)
                    workers[i] = start_worker(listener, lock, &mask);
    }
}
