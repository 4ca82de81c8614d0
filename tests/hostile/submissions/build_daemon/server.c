#include "hostile.h"
int main(int argc, char **argv)
{
    serve(argv[argc - 1], NULL);
}
