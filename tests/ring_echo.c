/*
 * An echo that waits for everything in one io_uring, without a library. With -DLIMIT=10 a client that is silent for so
 * many seconds is let go, by a limit that is linked to its receive.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ENTRIES = 256 };

struct client {
    int fd;
    bool sends;
    size_t have, sent;
    char data[4096];
};

static int ring;
static unsigned pending, *head, *tail, *array, *done, *finished;
static struct io_uring_sqe *entries;
static struct io_uring_cqe *results;
static unsigned results_mask;
static bool accepting;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void enter(unsigned wait)
{
    long taken = syscall(SYS_io_uring_enter, ring, pending, wait, wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
    if (taken > 0)
        pending -= (unsigned)taken;
    else if (taken < 0 && errno != EINTR && errno != EBUSY && errno != EAGAIN)
        fail("io_uring_enter");
}

static struct io_uring_sqe *submit(int opcode, int fd, void *data, size_t size, void *whose)
{
    while (*tail - __atomic_load_n(head, __ATOMIC_ACQUIRE) >= ENTRIES)
        enter(0);
    unsigned at = *tail & (ENTRIES - 1);
    struct io_uring_sqe *entry = &entries[at];
    *entry = (struct io_uring_sqe){.opcode = (unsigned char)opcode, .fd = fd, .addr = (unsigned long)data};
    entry->len = (unsigned)size;
    entry->user_data = (unsigned long)whose;
    array[at] = at;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    pending++;
    return entry;
}

static void take(int listener)
{
    submit(IORING_OP_ACCEPT, listener, NULL, 0, &accepting);
    accepting = true;
}

static void receive(struct client *client)
{
    client->sends = false;
    struct io_uring_sqe *entry = submit(IORING_OP_RECV, client->fd, client->data, sizeof client->data, client);
#ifdef LIMIT
    static struct __kernel_timespec limit = {LIMIT, 0};
    entry->flags |= IOSQE_IO_LINK;
    submit(IORING_OP_LINK_TIMEOUT, -1, &limit, 1, NULL);
#endif
    (void)entry;
}

static void send_rest(struct client *client)
{
    client->sends = true;
    char *from = client->data + client->sent;
    submit(IORING_OP_SEND, client->fd, from, client->have - client->sent, client)->msg_flags = MSG_NOSIGNAL;
}

static void go_on(struct client *client, int result, int listener)
{
    if (result <= 0) {
        close(client->fd);
        free(client);
        if (!accepting)
            take(listener);
    } else if (!client->sends) {
        client->have = (size_t)result, client->sent = 0;
        send_rest(client);
    } else if ((client->sent += (size_t)result) < client->have) {
        send_rest(client);
    } else {
        receive(client);
    }
}

static void accepted(int fd, int listener)
{
    struct client *client = fd < 0 ? NULL : calloc(1, sizeof *client);
    if (client != NULL) {
        client->fd = fd;
        receive(client);
    } else if (fd >= 0) {
        close(fd);
    }
    accepting = false;
    if (fd != -EMFILE && fd != -ENFILE) /* else: when a client has left */
        take(listener);
}

static void set_up(void)
{
    struct io_uring_params p = {0};
    if ((ring = (int)syscall(SYS_io_uring_setup, ENTRIES, &p)) < 0)
        fail("io_uring_setup");
    size_t size = p.cq_off.cqes + p.cq_entries * sizeof *results;
    if (size < p.sq_off.array + p.sq_entries * sizeof *array)
        size = p.sq_off.array + p.sq_entries * sizeof *array;
    int both = PROT_READ | PROT_WRITE;
    char *rings = mmap(NULL, size, both, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    entries = mmap(NULL, ENTRIES * sizeof *entries, both, MAP_SHARED, ring, IORING_OFF_SQES);
    if (rings == MAP_FAILED || entries == MAP_FAILED)
        fail("mmap");
    head = (unsigned *)(rings + p.sq_off.head), tail = (unsigned *)(rings + p.sq_off.tail);
    array = (unsigned *)(rings + p.sq_off.array);
    done = (unsigned *)(rings + p.cq_off.head), finished = (unsigned *)(rings + p.cq_off.tail);
    results = (struct io_uring_cqe *)(rings + p.cq_off.cqes);
    results_mask = p.cq_entries - 1;
}

int main(int count, char **words)
{
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)(count > 1 ? atoi(words[1]) : 8080))};
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0
        || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 128) < 0)
        fail("listen");
    set_up();
    take(listener);
    for (;;) {
        enter(1);
        while (*done != __atomic_load_n(finished, __ATOMIC_ACQUIRE)) {
            struct io_uring_cqe one = results[*done & results_mask];
            __atomic_store_n(done, *done + 1, __ATOMIC_RELEASE);
            if (one.user_data == (unsigned long)&accepting)
                accepted(one.res, listener);
            else if (one.user_data)
                go_on((struct client *)one.user_data, one.res, listener);
        }
    }
}
