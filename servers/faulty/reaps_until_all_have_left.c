/*
 * A TCP echo server that forks a child for each connection.
 *
 * Planted mistake: The handler asks for ended children until there are no children at all.
 * Model: fork
 * Protocol: echo
 * Breaks: LIFE-08
 * Fix: while (waitpid(-1, NULL, WNOHANG) > 0)
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server reaps_until_all_have_left.c && ./server 8080
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
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

/* One SIGCHLD may stand for many children (signal(7)), so ask until there are no more. */
static void reap(int signal_number)
{
    int kept = errno;
    (void)signal_number;
    while (waitpid(-1, NULL, WNOHANG) >= 0) /* the mistake */
        continue;
    errno = kept;
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

static void echo(int connection)
{
    char buffer[16384];
    for (;;) {
        ssize_t got = recv(connection, buffer, sizeof buffer, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) /* the client has finished, or was cut off */
            return;
        if (!send_all(connection, buffer, (size_t)got))
            return;
    }
}

int main(int argc, char **argv)
{
    struct sigaction finished = {.sa_handler = reap, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    if (sigaction(SIGCHLD, &finished, NULL) < 0)
        fail("sigaction");

    int listener = listen_on(argc, argv);
    for (;;) {
        int connection = next_connection(listener);
        pid_t child = fork();
        if (child == 0) {
            close(listener);
            echo(connection);
            close(connection);
            _exit(0); /* not exit(): the parent's buffered output is the parent's to write */
        }
        if (child < 0)
            perror("fork"); /* this client is let go; the next may have more luck */
        close(connection);  /* the parent's copy: while it is open the client sees no end */
    }
}
