"""A chat: everybody is greeted, and hears what the others say. It looks round once a second."""

import select
import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
clients: list[socket.socket] = []
while True:
    for one in select.select([listener, *clients], [], [], 1.0)[0]:
        if one is listener:
            clients.append(listener.accept()[0])
            clients[-1].sendall(b"welcome to the chat\n")
            continue
        try:
            said = one.recv(4096)
        except OSError:
            said = b""
        if not said:
            clients.remove(one)
            one.close()
        for other in clients:
            if said and other is not one:
                try:
                    other.sendall(said)
                except OSError:
                    continue
