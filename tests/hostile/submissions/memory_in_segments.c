/* System V segments that no process has attached. Expect: judged */
#include "hostile.h"
#include <sys/shm.h>
int main(int argc, char **argv)
{
    int made = 0;
    for (int n = 0; n < 400; n++) {
        int id = shmget(IPC_PRIVATE, 1 << 20, IPC_CREAT | 0600);
        char *taken = id < 0 ? (char *)-1 : shmat(id, NULL, 0);
        if (taken != (char *)-1) {
            memset(taken, 'x', 1 << 20);
            shmdt(taken);
            made++;
        }
    }
    dprintf(1, "%d segments\n", made);
    serve(argv[argc - 1], NULL);
}
