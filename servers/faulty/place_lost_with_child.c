/*
 * A TCP echo server that forks a child for each connection, 100 of them at most.
 *
 * Planted mistake: A child that send has killed, by SIGPIPE, is not counted as one that has ended: its place is lost.
 * Model: fork
 * Protocol: echo
 * Breaks: LIFE-06
 * Fix: running-- for each child that waitpid reports, whatever its status says
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server place_lost_with_child.c && ./server 8080
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

enum { MOST = 100 };

static volatile sig_atomic_t running;

/* One SIGCHLD may stand for many children (signal(7)), so ask until there are no more. */
static void reap(int signal_number)
{
    int kept = errno;
    (void)signal_number;
    for (int status; waitpid(-1, &status, WNOHANG) > 0;)
        if (WIFEXITED(status)) /* the mistake */
            running--;
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

/* send() may take fewer bytes than it was given: go on where it stopped. A client that has left ends the child. */
static bool send_all(int connection, const char *data, size_t left)
{
    while (left > 0) {
        ssize_t sent = send(connection, data, left, 0);
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

    sigset_t child_ends;
    sigemptyset(&child_ends);
    sigaddset(&child_ends, SIGCHLD);

    int listener = listen_on(argc, argv);
    for (;;) {
        int connection = next_connection(listener);
        if (running >= MOST) {
            close(connection); /* no place is free */
            continue;
        }
        sigprocmask(SIG_BLOCK, &child_ends, NULL); /* the handler counts, too */
        pid_t child = fork();
        if (child > 0)
            running++;
        sigprocmask(SIG_UNBLOCK, &child_ends, NULL);
        if (child == 0) {
            close(listener);
            echo(connection);
            close(connection);
            _exit(0);
        }
        if (child < 0)
            perror("fork");
        close(connection);
    }
}
