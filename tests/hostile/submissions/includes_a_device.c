/* A compiler that reads for ever. Expect: build */
#include "/dev/zero"
