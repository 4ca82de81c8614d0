/*
 * A TCP echo server that forks a child for each connection.
 *
 * Planted mistake: MSG_WAITALL makes recv() wait for a full buffer, until its limit of 10 s is over.
 * Model: fork
 * Protocol: echo
 * Breaks: TIME-14
 * Fix: recv(connection, buffer, sizeof buffer, 0)
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server waits_for_a_full_buffer.c && ./server 8080
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

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
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0
        || bind(listener, (struct sockaddr *)&address, sizeof address) < 0
        || listen(listener, 128) < 0)
        fail("cannot listen");
    printf("listening on 127.0.0.1:%ld\n", port);
    fflush(stdout);
    return listener;
}

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

static void reap(int signal_number)
{
    int kept = errno;
    (void)signal_number;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
    errno = kept;
}

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

static void serve(int connection)
{
    char buffer[4096];
    struct timeval limit = {.tv_sec = 10};
    if (setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0)
        return;
    for (;;) {
        ssize_t got = recv(connection, buffer, sizeof buffer, MSG_WAITALL); /* the mistake */
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || !send_all(connection, buffer, (size_t)got))
            return;
    }
}

int main(int argc, char **argv)
{
    struct sigaction finished = {.sa_handler = reap, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    if (sigaction(SIGCHLD, &finished, NULL) < 0)
        fail("sigaction");
    int listener = listen_on(argc > 1 ? argv[1] : "8080");
    for (;;) {
        int connection = next_connection(listener);
        pid_t child = fork();
        if (child == 0) {
            close(listener);
            serve(connection);
            close(connection);
            _exit(0);
        }
        if (child < 0)
            perror("fork");
        close(connection);
    }
}
