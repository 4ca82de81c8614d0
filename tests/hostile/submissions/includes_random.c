/* A compiler that reads for ever, and complains. Expect: build */
#include "/dev/urandom"
