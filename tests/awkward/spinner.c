/* An echo with a thread for each client, beside two threads that use a processor for nothing. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int listen_on(const char *port)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((in_port_t)atoi(port)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0
        || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 128) < 0) {
        perror("cannot listen");
        exit(1);
    }
    return listener;
}

static void serve(int connection)
{
    char buffer[4096];
    ssize_t got;
    while ((got = recv(connection, buffer, sizeof buffer, 0)) > 0) {
        if (send(connection, buffer, (size_t)got, MSG_NOSIGNAL) != got)
            break;
    }
    close(connection);
}

static volatile long counted;

static void *spin(void *nothing)
{
    for (;;)
        counted++;
    return nothing;
}

static void *serve_thread(void *connection)
{
    serve((int)(long)connection);
    return NULL;
}

int main(int argc, char **argv)
{
    int listener = listen_on(argc > 1 ? argv[1] : "8080");
    pthread_t thread;
    for (int i = 0; i < 2; i++)
        if (pthread_create(&thread, NULL, spin, NULL) != 0)
            return 1;
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection >= 0 && pthread_create(&thread, NULL, serve_thread, (void *)(long)connection) == 0)
            pthread_detach(thread);
    }
}
