/* Every way to be somebody else. Expect: serves */
#include "hostile.h"
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
int main(int argc, char **argv)
{
    if (setuid(0) == 0 || setgid(0) == 0 || setreuid(0, 0) == 0 || seteuid(0) == 0 || setgroups(0, NULL) == 0)
        escaped("another user");
    if (argc > 2 && (geteuid() != getuid() || geteuid() == 0))
        escaped("a set-user-ID program");
    (void)!system("cp /proc/self/exe /tmp/gatecrash-hostile 2>/dev/null; chmod 6777 /tmp/gatecrash-hostile");
    const char *programs[] = {"/usr/bin/passwd", "/bin/su", "/usr/bin/sudo", "/bin/mount", NULL};
    for (int n = 0; programs[n] != NULL; n++)
        if (fork() == 0) {
            execl(programs[n], programs[n], "--help", NULL);
            _exit(0);
        }
    while (wait(NULL) > 0)
        continue;
    if (prctl(PR_CAPBSET_READ, 21, 0, 0, 0) == 1 || prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0)
        escaped("capabilities");
    serve(argv[argc - 1], NULL);
}
