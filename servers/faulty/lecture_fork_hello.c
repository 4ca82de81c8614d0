/*
 * The fork server of many lectures: every client gets "Hello, world!" from a child of its own.
 *
 * Planted mistake: the parent never waits for its children, so each one stays behind as a zombie.
 * Model: fork
 * Protocol: greeting
 * Breaks: FORK-02, ACC-09
 * Fix: install a SIGCHLD handler with while (waitpid(-1, NULL, WNOHANG) > 0); and SA_RESTART
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server lecture_fork_hello.c && ./server 8080
 *   nc 127.0.0.1 8080 ; ps -ef | grep defunct
 *
 * The mistake is what is missing: nobody calls waitpid(). It never reads what the client sends, and
 * checks little, as a lecture does.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 10

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 8080;
    int sockfd, new_fd;
    struct sockaddr_in my_addr, their_addr;
    socklen_t sin_size;
    int yes = 1;

    if ((sockfd = socket(AF_INET, SOCK_STREAM, 0)) == -1) {
        perror("socket");
        exit(1);
    }
    if (setsockopt(sockfd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(int)) == -1) {
        perror("setsockopt");
        exit(1);
    }

    memset(&my_addr, 0, sizeof(my_addr));
    my_addr.sin_family = AF_INET;
    my_addr.sin_port = htons(port);
    my_addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(sockfd, (struct sockaddr *)&my_addr, sizeof(my_addr)) == -1) {
        perror("bind");
        exit(1);
    }
    if (listen(sockfd, BACKLOG) == -1) {
        perror("listen");
        exit(1);
    }
    printf("listening on 127.0.0.1:%d\n", port);
    fflush(stdout);

    while (1) {
        sin_size = sizeof(their_addr);
        if ((new_fd = accept(sockfd, (struct sockaddr *)&their_addr, &sin_size)) == -1) {
            perror("accept");
            continue;
        }
        if (!fork()) { /* this is the child process */
            close(sockfd);
            if (send(new_fd, "Hello, world!", 13, 0) == -1)
                perror("send");
            close(new_fd);
            exit(0);
        }
        close(new_fd); /* the mistake */
    }
}
