/* Namespaces, mounts and roots of its own. Expect: serves */
#include "hostile.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
int main(int argc, char **argv)
{
    int flags[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP};
    for (size_t n = 0; n < sizeof flags / sizeof *flags; n++)
        if (unshare(flags[n]) == 0 || unshare(flags[n] | CLONE_NEWUSER) == 0)
            escaped("unshare");
    if (syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0) >= 0)
        escaped("clone");
    if (mount("tmpfs", "/tmp", "tmpfs", 0, NULL) == 0 || umount("/proc") == 0 || chroot("/tmp") == 0)
        escaped("mount");
    if (mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL) == 0)
        escaped("remount");
    int space = open("/proc/1/ns/mnt", O_RDONLY);
    if (space >= 0 && setns(space, 0) == 0)
        escaped("setns");
    if (syscall(SYS_pivot_root, "/tmp", "/tmp") == 0 || syscall(428, -100, "/", 1) >= 0 || syscall(430, "tmpfs", 0) >= 0)
        escaped("another root");
    serve(argv[argc - 1], NULL);
}
