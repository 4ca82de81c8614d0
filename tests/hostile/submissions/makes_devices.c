/* Devices, and the ones of the machine. Expect: serves */
#include "hostile.h"
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
int main(int argc, char **argv)
{
    if (mknod("/tmp/gatecrash-hostile", S_IFBLK | 0600, makedev(8, 0)) == 0)
        escaped("a block device");
    if (mknod("/tmp/gatecrash-mem", S_IFCHR | 0600, makedev(1, 1)) == 0)
        escaped("a character device");
    const char *files[] = {"/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/fuse", "/dev/kvm", "/dev/net/tun", NULL};
    for (int n = 0; files[n] != NULL; n++)
        if (open(files[n], O_RDONLY) >= 0)
            escaped(files[n]);
    int terminal = open("/dev/tty", O_RDWR);
    if (terminal >= 0 && ioctl(terminal, TIOCSTI, "x") == 0)
        escaped("the terminal");
    serve(argv[argc - 1], NULL);
}
