#!/usr/bin/env python3
"""RESP-01 (MUST): A complete request gets an answer

expected  an answer to a complete request
got       POST /: A got not a byte, and 10 s later, by the server's own clock, the connection was closed

Start the server, then: python3 THIS_FILE PORT. Exit status 1: the fault shows; 0: it does not.
Gatecrash proves it: gatecrash replay RESP-01 servers/faulty/head_ends_with_the_segment.c
"""

import socket
import sys
from contextlib import suppress

if len(sys.argv) != 2:
    print(__doc__)
    sys.exit(2)
SERVER = ("127.0.0.1", int(sys.argv[1]))
WAIT = 1  # seconds after which silence is taken for one
REQUEST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\nknock=1"

A = socket.create_connection(SERVER, WAIT)
with suppress(OSError):
    A.sendall(REQUEST)
got, end = b"", "the server closed"
try:
    while data := A.recv(65536):
        got += data
except OSError as error:
    end = str(error)
if not got:
    print("expected  A gets an answer")
    print(f"got       nothing, then {end}")
    sys.exit(1)
A.close()
print("RESP-01 was not broken this time.")
