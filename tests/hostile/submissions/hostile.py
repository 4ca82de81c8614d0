"""What hostile programs of this folder share: a list of what they got away with, and a server that tells it."""

import os
import socket
import sys

got_away = []


def serve(act=lambda: None):
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
    while True:
        client, _ = listener.accept()
        with client:
            if client.recv(8192):
                act()
                body = ", ".join(got_away).encode() or b"nothing got out"
                client.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
                )


def attempt(what, act, *given):
    """Note what worked that must not."""
    try:
        act(*given)
    except (OSError, ValueError):
        return
    got_away.append(what)


def read(path):
    """Some of a file, or what is in a folder."""
    if os.path.isdir(path):
        return os.listdir(path)
    with open(path, "rb") as file:
        return file.read(16)


def write(path, data):
    """Over what is there."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
