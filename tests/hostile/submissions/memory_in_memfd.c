/* Memory that is a file without a name. Expect: serves */
#include "hostile.h"
#include <sys/mman.h>
int main(int argc, char **argv)
{
    if (memfd_create("taken", 0) >= 0)
        escaped("memfd_create");
    serve(argv[argc - 1], NULL);
}
