"""Correct servers that are built in another way than most: nobody blames them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faulty import blamed, verdicts_on

PRELUDE = """
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void set(int fd, int option)
{
    int on = 1;
    setsockopt(fd, SOL_SOCKET, option, &on, sizeof on);
}

static int listen_on(int port, int shared)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)port)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    set(listener, SO_REUSEADDR);
    if (shared)
        set(listener, SO_REUSEPORT);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 64) < 0) {
        perror("listen");
        exit(1);
    }
    return listener;
}

static int next(int listener)
{
    int client;
    while ((client = accept(listener, NULL, NULL)) < 0)
        usleep(50000);
    return client;
}

static void send_back(int client)
{
    char data[4096];
    ssize_t n, sent;
    while ((n = read(client, data, sizeof data)) > 0)
        for (ssize_t at = 0; at < n; at += sent)
            if ((sent = send(client, data + at, (size_t)(n - at), MSG_NOSIGNAL)) < 0)
                return;
}

static void fork_for_each(int listener)
{
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int client = next(listener);
        if (fork() == 0) {
            close(listener);
            send_back(client);
            _exit(0);
        }
        close(client);
    }
}
"""

#: Each with the rules that are tried at length; the others get a glance.
SERVERS: dict[str, tuple[str, str]] = {}
SERVERS["asks_for_port_0"] = (
    "ACC-11 ACC-12 ACC-14 ACC-15 LIFE-01",
    """
    int main(void)
    {
        struct sockaddr_in address;
        socklen_t length = sizeof address;
        int listener = listen_on(0, 0);
        getsockname(listener, (struct sockaddr *)&address, &length);
        printf("listening on port %d\\n", ntohs(address.sin_port));
        fflush(stdout);
        fork_for_each(listener);
    }
    """,
)
SERVERS["child_prints_a_line_for_its_client"] = (
    "FORK-14",
    """
    int main(int count, char **words)
    {
        int listener = listen_on(count > 1 ? atoi(words[1]) : 8080, 0);
        signal(SIGCHLD, SIG_IGN);
        printf("server started\\n");
        fflush(stdout);
        for (;;) {
            int client = next(listener);
            if (fork() == 0) {
                close(listener);
                printf("serving\\n");
                send_back(client);
                exit(0);
            }
            close(client);
        }
    }
    """,
)
SERVERS["parent_prints_a_line_for_each_client"] = (
    "FORK-14",
    """
    int main(int count, char **words)
    {
        int listener = listen_on(count > 1 ? atoi(words[1]) : 8080, 0);
        signal(SIGCHLD, SIG_IGN);
        for (;;) {
            printf("waiting for a client\\n"); /* kept back until the client is there, and written before fork */
            int client = next(listener);
            fflush(stdout);
            if (fork() == 0) {
                close(listener);
                send_back(client);
                exit(0);
            }
            close(client);
        }
    }
    """,
)
SERVERS["output_is_buffered_by_lines"] = (
    "FORK-14",
    """
    int main(int count, char **words)
    {
        int listener = listen_on(count > 1 ? atoi(words[1]) : 8080, 0);
        setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
        signal(SIGCHLD, SIG_IGN);
        printf("server started\\n");
        for (;;) {
            int client = next(listener);
            printf("accepted\\n");
            if (fork() == 0) {
                close(listener);
                printf("serving\\n");
                send_back(client);
                exit(0);
            }
            close(client);
        }
    }
    """,
)
SERVERS["opens_a_file_at_its_first_client"] = (
    "ACC-08 ACC-09 ACC-18 RES-06",
    """
    int main(int count, char **words)
    {
        int listener = listen_on(count > 1 ? atoi(words[1]) : 8080, 0);
        FILE *log = NULL;
        for (;;) {
            int client = next(listener);
            if (log == NULL && (log = fopen("/dev/null", "a")) == NULL) { /* as others load code only then */
                perror("log");
                return 1;
            }
            fprintf(log, "a client\\n");
            send_back(client);
            close(client);
        }
    }
    """,
)
SERVERS["goes_into_the_background_before_it_binds"] = (
    "LIFE-01 LIFE-02 LIFE-03 ACC-11 ACC-14",
    """
    int main(int count, char **words)
    {
        pid_t child = fork();
        if (child != 0)
            return child < 0;
        setsid();
        fork_for_each(listen_on(count > 1 ? atoi(words[1]) : 8080, 0));
    }
    """,
)
SERVERS["goes_into_the_background_when_it_listens"] = (
    "LIFE-01 LIFE-02 LIFE-03 ACC-11 ACC-14",
    """
    int main(int count, char **words)
    {
        int listener = listen_on(count > 1 ? atoi(words[1]) : 8080, 0);
        if (daemon(1, 1) < 0)
            return 1;
        fork_for_each(listener);
    }
    """,
)
SERVERS["each_process_leaves_a_successor"] = (
    "ACC-01 ACC-02 ACC-08 ACC-14 LIFE-02 LIFE-03 LIFE-04 LIFE-05 FORK-08",
    """
    int main(int count, char **words)
    {
        int listener = listen_on(count > 1 ? atoi(words[1]) : 8080, 0);
        signal(SIGCHLD, SIG_IGN);
        for (;;) {
            int client = next(listener);
            pid_t child = fork();
            if (child == 0) { /* it takes the next client, and its parent leaves with this one */
                close(client);
                continue;
            }
            if (child > 0)
                close(listener);
            send_back(client);
            close(client);
            if (child > 0)
                return 0;
        }
    }
    """,
)
SERVERS["workers_of_one_rank_are_replaced"] = (
    "ACC-01 ACC-02 ACC-08 ACC-14 ACC-16 LIFE-02 LIFE-03 LIFE-04 LIFE-05",
    """
    int main(int count, char **words)
    {
        int listener = listen_on(count > 1 ? atoi(words[1]) : 8080, 0);
        int workers = 0;
        signal(SIGCHLD, SIG_IGN);
        while (workers < 3 && fork() > 0)
            workers++;
        if (workers == 3)
            return 0; /* there is no master: each worker sees to its own successor */
        for (int served = 1;; served++) {
            int client = next(listener);
            send_back(client);
            close(client);
            if (served % 2 == 0 && fork() > 0)
                return 0;
        }
    }
    """,
)
SERVERS["workers_with_sockets_of_their_own"] = (
    "ACC-01 ACC-02 ACC-04 ACC-11 ACC-14 ACC-15 ACC-16 ACC-17 FORK-13 LIFE-03 LIFE-10 LIFE-11",
    """
    static void work(int port)
    {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        int listener = listen_on(port, 1);
        for (;;) {
            int client = next(listener);
            send_back(client);
            close(client);
        }
    }

    int main(int count, char **words)
    {
        int status = 0;
        for (int workers = 0; !WIFEXITED(status) || WEXITSTATUS(status) == 0; workers--) {
            for (; workers < 3; workers++)
                if (fork() == 0)
                    work(count > 1 ? atoi(words[1]) : 8080);
            status = 1; /* of no worker yet */
            wait(&status);
        }
        return 1; /* a worker found the port taken */
    }
    """,
)
SERVERS["silent_siblings_accept_when_one_has_ended"] = (
    "ACC-01 ACC-02 ACC-05 ACC-06 ACC-17 LIFE-04 LIFE-05 LIFE-12",
    """
    int main(int count, char **words)
    {
        int listener = listen_on(count > 1 ? atoi(words[1]) : 8080, 0);
        int workers = 0;
        char data[4096];
        signal(SIGCHLD, SIG_IGN);
        while (workers < 3 && fork() > 0)
            workers++;
        if (workers == 3)
            return 0;
        for (;;) {
            int client = next(listener);
            while (read(client, data, sizeof data) > 0)
                continue; /* it says nothing */
            close(client);
            if (fork() > 0)
                return 0;
        }
    }
    """,
)


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVERS)
def test_a_correct_server_is_not_blamed(tmp_path: Path, name: str) -> None:
    rules, program = SERVERS[name]
    source = tmp_path / f"{name}.c"
    source.write_text(PRELUDE + program)
    assert blamed(verdicts_on(source, frozenset(rules.split()))) == frozenset()


#: An event loop that has no descriptor for the next client looks at its listening socket again when one has left.
TAKES_NOBODY_UNTIL_A_CLIENT_HAS_LEFT = """
int main(int count, char **words)
{
    struct pollfd watched[256] = {{.fd = listen_on(count > 1 ? atoi(words[1]) : 8080, 0), .events = POLLIN}};
    nfds_t have = 1;
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        if (poll(watched, have, -1) < 0)
            continue;
        for (nfds_t i = have - 1; i > 0; i--) {
            char data[4096];
            ssize_t got = watched[i].revents ? read(watched[i].fd, data, sizeof data) : -1;
            if (watched[i].revents == 0 || (got > 0 && write(watched[i].fd, data, (size_t)got) == got))
                continue;
            close(watched[i].fd);
            watched[i] = watched[--have];
            watched[0].events = POLLIN; /* there is a descriptor again */
        }
        if (watched[0].revents & POLLIN) {
            int client = accept(watched[0].fd, NULL, NULL);
            if (client < 0 && (errno == EMFILE || errno == ENFILE))
                watched[0].events = 0;
            if (client >= 0 && have < 256)
                watched[have++] = (struct pollfd){.fd = client, .events = POLLIN};
            else if (client >= 0)
                close(client);
        }
    }
}
"""


def test_a_server_that_waits_for_a_client_to_leave_has_survived_a_shortage(tmp_path: Path) -> None:
    source = tmp_path / "server.c"
    source.write_text(PRELUDE + TAKES_NOBODY_UNTIL_A_CLIENT_HAS_LEFT)
    verdicts = verdicts_on(source, frozenset({"ACC-07", "ACC-08", "ACC-09"}), only="accept")
    assert blamed(verdicts) == frozenset()
    assert verdicts["ACC-08"].outcome == "pass"
