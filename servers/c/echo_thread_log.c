/*
 * A TCP echo server that starts a thread for each connection, and logs through a pipe.
 *
 * Shows: one process that writes the log, fed by a pipe that all threads share. A line of at most
 * PIPE_BUF bytes is written whole (pipe(7)), so no lock is needed; the log ends when the server does,
 * because only the server holds the writing end.
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server echo_thread_log.c && ./server 8080
 *   printf 'any bytes' | nc -N 127.0.0.1 8080
 *
 * Leaves out: time limits, a limit on threads, a log file that is rotated.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what)
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
    /* Before bind: without it a restart fails while old connections are in TIME_WAIT (socket(7)). */
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        fail("setsockopt");
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0)
        fail("bind");
    if (listen(listener, 128) < 0)
        fail("listen");
    printf("listening on 127.0.0.1:%ld\n", port);
    fflush(stdout); /* before any fork: a child must not inherit an unwritten line */
    return listener;
}

/* The process that writes the log: what comes through the pipe goes to standard error, until nobody
   is left who could write into it. */
static void keep_log(int input)
{
    char buffer[4096];
    ssize_t got;
    while ((got = read(input, buffer, sizeof buffer)) > 0 || (got < 0 && errno == EINTR))
        for (ssize_t done = 0, n; done < got; done += n)
            if ((n = write(STDERR_FILENO, buffer + done, (size_t)(got - done))) < 0)
                n = errno == EINTR ? 0 : got; /* nobody reads the log: throw it away */
    _exit(0);
}

/* The pipe's writing end. It does not block: a log that nobody empties must not stop the server. */
static int start_log(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        fail("pipe");
    pid_t keeper = fork();
    if (keeper < 0)
        fail("fork");
    if (keeper == 0) {
        close(ends[1]); /* its own copy would keep the pipe open for ever */
        keep_log(ends[0]);
    }
    close(ends[0]);
    if (fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0)
        fail("fcntl");
    return ends[1];
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

/* send() may take fewer bytes than it was given: go on where it stopped. MSG_NOSIGNAL, because a
   client that has left is an error of this connection, not a signal for the process. */
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

static size_t echo(int connection)
{
    char buffer[16384];
    for (size_t total = 0;;) {
        ssize_t got = recv(connection, buffer, sizeof buffer, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) /* the client has finished, or was cut off */
            return total;
        if (!send_all(connection, buffer, (size_t)got))
            return total;
        total += (size_t)got;
    }
}

struct visit {
    int connection, log;
};

static void *serve(void *argument)
{
    struct visit visit = *(struct visit *)argument;
    char line[64];
    free(argument);
    size_t echoed = echo(visit.connection);
    close(visit.connection);
    int length = snprintf(line, sizeof line, "%zu bytes echoed\n", echoed);
    if (write(visit.log, line, (size_t)length) < 0 && errno != EAGAIN)
        perror("log");
    return NULL;
}

/* Hands the connection to a thread of its own; each gets its own struct, which it frees. */
static void start_thread(const pthread_attr_t *detached, int connection, int log)
{
    pthread_t thread;
    struct visit *visit = malloc(sizeof *visit);
    if (visit != NULL)
        *visit = (struct visit){connection, log};
    if (visit == NULL || pthread_create(&thread, detached, serve, visit) != 0) {
        free(visit);
        close(connection); /* this client is let go; the next may have more luck */
    }
}

int main(int argc, char **argv)
{
    pthread_attr_t detached;
    signal(SIGPIPE, SIG_IGN); /* should the log's keeper be gone, write() says so */
    int log = start_log();    /* before the first thread: fork copies only the one that calls it */
    if (pthread_attr_init(&detached) != 0
        || pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED) != 0)
        fail("pthread_attr");

    int listener = listen_on(argc, argv);
    for (;;)
        start_thread(&detached, next_connection(listener), log);
}
