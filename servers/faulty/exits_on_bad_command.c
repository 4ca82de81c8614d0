/*
 * A TCP server of commands (PING, LENGTH word) that serves one client after the other.
 *
 * Planted mistake: A word that cannot be a command ends the program, not the conversation.
 * Model: iterative
 * Protocol: none
 * Breaks: LIFE-12
 * Fix: return say(connection, "unknown command\n") in the place of exit(1)
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server exits_on_bad_command.c && ./server 8080
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0)
        fail("socket");
    int on = 1;
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

static bool say(int connection, const char *words)
{
    return send_all(connection, words, strlen(words));
}

/* One line of a client, without its end: what is answered to it. */
static bool obey(int connection, char *line)
{
    char *rest = NULL;
    char *command = strtok_r(line, " \r", &rest);
    if (command == NULL) /* an empty line */
        return true;
    if (*command < 'A' || *command > 'Z') {
        fprintf(stderr, "bad command\n");
        exit(1); /* the mistake */
    }
    if (strcmp(command, "PING") == 0)
        return say(connection, "PONG\n");
    if (strcmp(command, "LENGTH") == 0) {
        char *word = strtok_r(NULL, " \r", &rest);
        char answer[32];
        snprintf(answer, sizeof answer, "%zu\n", word == NULL ? 0 : strlen(word));
        return say(connection, answer);
    }
    return say(connection, "unknown command\n");
}

/* A segment may hold a part of a line, or several: what has no end yet is kept. */
static void converse(int connection)
{
    char line[4096];
    size_t length = 0;
    for (;;) {
        ssize_t got = recv(connection, line + length, sizeof line - length, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) /* the client has finished, or was cut off */
            return;
        length += (size_t)got;
        char *end;
        while ((end = memchr(line, '\n', length)) != NULL) {
            *end = '\0';
            if (!obey(connection, line))
                return;
            size_t used = (size_t)(end - line) + 1;
            memmove(line, line + used, length - used);
            length -= used;
        }
        if (length == sizeof line) {
            say(connection, "line too long\n");
            return;
        }
    }
}

int main(int argc, char **argv)
{
    int listener = listen_on(argc, argv);
    for (;;) {
        int connection = next_connection(listener);
        converse(connection);
        close(connection);
    }
}
