/*
 * The web server of many lectures: one read, one fixed answer, one port in the source.
 *
 * Planted mistake: sizeof counts the NUL that ends a string in C, so one byte too many is sent.
 * Model: iterative
 * Protocol: http
 * Breaks: RESP-08, RESP-03, RESP-10, RESP-11, RESP-13, LIFE-06, ACC-09
 * Fix: send(client, response, strlen(response), 0)
 *
 * Try it:
 *   cc -Wall -Wextra -Werror -O1 -g -pthread -o server lecture_iterative.c && ./server
 *   curl -i http://127.0.0.1:8080/
 *
 * It always listens on port 8080, takes what one read brings for the whole request, never looks at
 * it, and checks little else, as a lecture does.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 8080

int main(void)
{
    char response[] = "HTTP/1.1 200 OK\r\n"
                      "Content-Type: text/html\r\n"
                      "Content-Length: 22\r\n"
                      "Connection: close\r\n"
                      "\r\n"
                      "<h1>Hello, world!</h1>";
    char buffer[1024];
    struct sockaddr_in address;
    int opt = 1;

    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (server < 0) {
        perror("socket");
        exit(EXIT_FAILURE);
    }
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &opt, sizeof(opt));

    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(PORT);
    if (bind(server, (struct sockaddr *)&address, sizeof(address)) < 0) {
        perror("bind");
        exit(EXIT_FAILURE);
    }
    if (listen(server, 10) < 0) {
        perror("listen");
        exit(EXIT_FAILURE);
    }
    printf("listening on 127.0.0.1:%d\n", PORT);
    fflush(stdout);

    while (1) {
        int client = accept(server, NULL, NULL);
        if (client < 0) {
            perror("accept");
            continue;
        }
        ssize_t n = read(client, buffer, sizeof(buffer));
        if (n > 0)
            send(client, response, sizeof(response), 0); /* the mistake */
        close(client);
    }
}
