/*
 * The first server of many lectures: it takes one client, answers, and is done.
 *
 * Planted mistake: accept() is called once, outside any loop: there is no second client.
 * Model: iterative
 * Protocol: greeting
 * Breaks: ACC-01
 * Fix: for (;;) { int newfd = accept(sockfd, NULL, NULL); ... close(newfd); }
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server lecture_accept_once.c && ./server 8080
 *   nc 127.0.0.1 8080        (twice)
 *
 * It checks little else, as a first lecture does.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 8080;
    int sockfd = socket(AF_INET, SOCK_STREAM, 0);
    if (sockfd < 0) {
        perror("socket");
        exit(1);
    }

    int yes = 1;
    setsockopt(sockfd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));

    struct sockaddr_in addr;
    memset(&addr, 0, sizeof(addr));
    addr.sin_family = AF_INET;
    addr.sin_port = htons(port);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(sockfd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        perror("bind");
        exit(1);
    }
    if (listen(sockfd, 5) < 0) {
        perror("listen");
        exit(1);
    }
    printf("listening on 127.0.0.1:%d\n", port);
    fflush(stdout);

    int newfd = accept(sockfd, NULL, NULL); /* the mistake */
    if (newfd < 0) {
        perror("accept");
        exit(1);
    }
    const char *message = "Hello, world!\n";
    send(newfd, message, strlen(message), 0);
    close(newfd);
    close(sockfd);
    return 0;
}
