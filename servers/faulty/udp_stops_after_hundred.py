"""A UDP echo server: every datagram goes back to where it came from.

Planted mistake: The loop counts to a hundred, and then the server ends.
Model: iterative
Protocol: udp
Breaks: LIFE-04
Fix: while True:

Try it:
    python3 udp_stops_after_hundred.py 8080
"""

import errno
import re
import signal
import socket
import sys

MOST = 100  # answers

LARGEST = 65536  # no datagram is longer (RFC 768: a 16-bit length), so none is cut


def port_argument() -> int:
    text = sys.argv[1] if len(sys.argv) > 1 else "8080"
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        print(f'{sys.argv[0]}: "{text}" is not a port: give a number from 1 to 65535', file=sys.stderr)
        sys.exit(2)
    return int(text)


def bind_to(port: int) -> socket.socket:
    # No SO_REUSEADDR: for UDP it would let a second server take the datagrams of the first.
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        server.bind(("127.0.0.1", port))
    except OSError as error:
        print(f"cannot bind to 127.0.0.1:{port}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    return server


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server = bind_to(port_argument())
    for _ in range(MOST):  # the mistake
        try:
            data, sender = server.recvfrom(LARGEST)
            server.sendto(data, sender)
        except OSError as error:
            # The network's errors (ECONNREFUSED, EPERM, ENOBUFS, ...) concern one datagram.
            if error.errno in (errno.EBADF, errno.ENOTSOCK):
                raise


if __name__ == "__main__":
    main()
