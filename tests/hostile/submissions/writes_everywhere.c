/* Writes wherever there is a folder. Expect: serves */
#include "hostile.h"
#include <sys/stat.h>
int main(int argc, char **argv)
{
    const char *folders[] = {"/", "/usr", "/usr/bin", "/usr/local", "/etc", "/opt", "/lib", "/proc", "/dev", "/dev/pts", "/mnt",
                             "/root", "/home", "/var", "/run", "..", "../..", "/.places", NULL};
    for (int n = 0; folders[n] != NULL; n++) {
        char name[256];
        snprintf(name, sizeof name, "%s/gatecrash-hostile", folders[n]);
        int file = open(name, O_WRONLY | O_CREAT, 0600);
        if (file >= 0 && strcmp(folders[n], "/.places") != 0)
            escaped(folders[n]);
    }
    const char *files[] = {"/etc/passwd", "/etc/hosts", "/usr/bin/env", "/dev/mem", "/dev/sda", "/dev/vda", NULL};
    for (int n = 0; files[n] != NULL; n++)
        if (open(files[n], O_WRONLY) >= 0 || chmod(files[n], 0777) == 0 || unlink(files[n]) == 0 || rename(files[n], "/tmp/x") == 0)
            escaped(files[n]);
    serve(argv[argc - 1], NULL);
}
