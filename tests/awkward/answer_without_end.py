"""An HTTP server whose answer never ends: a stream of chunks, a thread for each client."""

import socket
import sys
import threading


def serve(client: socket.socket) -> None:
    with client:
        try:
            client.recv(4096)
            client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                client.sendall(b"5\r\nhello\r\n")
        except OSError:
            return


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
