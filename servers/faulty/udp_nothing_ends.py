"""A UDP server that sends text back in upper case.

Planted mistake: A datagram with nothing in it is taken for the end, as no bytes are on a TCP connection.
Model: iterative
Protocol: udp
Breaks: LIFE-12
Fix: no break: every datagram is answered, an empty one with an empty one

Try it:
    python3 udp_nothing_ends.py 8080
"""

import errno
import re
import socket
import sys


def port_argument() -> int:
    text = sys.argv[1] if len(sys.argv) > 1 else "8080"
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        print(f'"{text}" is not a port: give a number from 1 to 65535', file=sys.stderr)
        sys.exit(2)
    return int(text)


def bind_to(port: int) -> socket.socket:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        server.bind(("127.0.0.1", port))
    except OSError as error:
        print(f"cannot bind to 127.0.0.1:{port}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    return server


def main() -> None:
    server = bind_to(port_argument())
    while True:
        try:
            data, sender = server.recvfrom(65536)
            if not data:
                break  # the mistake
            server.sendto(data.upper(), sender)
        except OSError as error:
            if error.errno in (errno.EBADF, errno.ENOTSOCK):
                raise  # all others concern one datagram


if __name__ == "__main__":
    main()
