"""A TCP echo server that starts a thread for each connection, 100 of them at most.

Planted mistake: A client whose connection is reset while it is read from takes its place with it: nobody gives it back.
Model: thread
Protocol: echo
Breaks: LIFE-05
Fix: places.release() in a finally, however the client left

Try it:
    python3 place_lost_on_reset.py 8080
"""

import errno
import re
import socket
import sys
import threading
import time

MOST = 100

places = threading.Semaphore(MOST)


def port_argument() -> int:
    text = sys.argv[1] if len(sys.argv) > 1 else "8080"
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        print(f'"{text}" is not a port: give a number from 1 to 65535', file=sys.stderr)
        sys.exit(2)
    return int(text)


def listen_on(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError as error:
        print(f"cannot listen on 127.0.0.1:{port}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    return listener


def next_connection(listener: socket.socket) -> socket.socket:
    """An error of accept() concerns one connection, or is a shortage that passes (accept(2))."""
    while True:
        try:
            return listener.accept()[0]
        except OSError as error:
            if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                raise
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                time.sleep(0.05)


def serve(connection: socket.socket) -> None:
    with connection:
        while True:
            try:
                data = connection.recv(16384)
            except OSError:
                return  # the mistake: past the release
            if not data:
                break
            try:
                connection.sendall(data)
            except OSError:
                break
    places.release()


def main() -> None:
    listener = listen_on(port_argument())
    while True:
        connection = next_connection(listener)
        if not places.acquire(blocking=False):
            connection.close()  # no place is free
            continue
        try:
            threading.Thread(target=serve, args=(connection,), daemon=True).start()
        except RuntimeError as error:  # no thread can be started now: this client is let go
            print(f"thread: {error}", file=sys.stderr)
            connection.close()
            places.release()


if __name__ == "__main__":
    main()
