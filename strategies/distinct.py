"""Requests of one client whose answers tell them apart from each other, and from those of other clients."""

from __future__ import annotations


def distinct_requests(path: str, client: str, *, post_path: str | None = None) -> tuple[bytes, ...]:
    """A GET, a HEAD, a GET of what is not there and, with `post_path`, a POST, the last two marked with `client`."""
    mark = mark_of(client)
    asked = (f"GET {path}", f"HEAD {path}", f"GET /{mark}")
    requests = tuple(f"{start} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for start in asked)
    if post_path is None:
        return requests
    head = f"POST {post_path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(mark)}\r\n\r\n"
    return (*requests, (head + mark).encode())


def mark_of(client: str) -> str:
    """A word that only this client sends."""
    return f"gatecrash-of-{client}-"
