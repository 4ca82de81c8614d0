"""The network of the machine, and what listens there. Expect: serves"""

import os
import socket

from hostile import attempt, serve


def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        client.connect(address)


attempt("a service of the machine", lambda: connect(socket.AF_INET, ("127.0.0.1", int(os.environ["SERVICE"]))))
attempt("another address", lambda: connect(socket.AF_INET, ("192.0.2.1", 80)))
attempt("an abstract socket", lambda: connect(socket.AF_UNIX, "\0" + os.environ["ABSTRACT"]))
attempt("a raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
attempt("packets", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3))
serve()
