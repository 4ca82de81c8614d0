"""The process that brokers are forked from: it has imported what they need, which takes ten times as long as a fork.

`brokers.py` runs `main` in an interpreter of its own, without site-packages: standard library only, as in `broker.py`.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys

from gatecrash.sandbox.broker import Broker
from gatecrash.sandbox.cgroups import group_here
from gatecrash.sandbox.namespaces import become_subreaper, enter_namespaces, soft_to_hard

MESSAGE_SIZE = 64


def main() -> None:
    """Fork a broker for each order that comes by the descriptor of the first argument, until the tester is gone.

    An order is the kind of arena with the broker's socket; the answer its pid with a descriptor that is readable when
    it has ended (pidfd_open(2)).
    """
    orders = socket.socket(fileno=int(sys.argv[1]))
    orders.set_inheritable(False)
    os.chdir("/")
    gc.freeze()  # a collection in a fork would write to every page, and so have it copied
    while True:
        kind, received, _, _ = socket.recv_fds(orders, MESSAGE_SIZE, 1, socket.MSG_CMSG_CLOEXEC)
        bury()
        if not received:
            return
        pid = os.fork()
        if pid == 0:
            orders.close()
            become(kind.decode(), received[0])
        os.close(received[0])
        ending = os.pidfd_open(pid)
        socket.send_fds(orders, [b"%d" % pid], [ending])
        os.close(ending)


def become(kind: str, control: int) -> None:
    """In the forked child: the broker. Never returns."""
    try:
        os.setsid()  # the terminal's Ctrl-C is for the tester
        serve(kind, socket.socket(fileno=control))
    finally:
        os._exit(0)


def serve(kind: str, control: socket.socket) -> None:
    """Enter an arena of this kind, and serve there until the tester is gone."""
    os.chdir("/")
    group = group_here() if kind == "confined" else None
    try:
        if kind != "loopback":
            enter_namespaces(confined=kind == "confined", group=group)
        else:
            become_subreaper()
    except OSError as error:
        if group is not None:
            group.remove()
        control.sendmsg([json.dumps({"refused": f"{error.filename or 'socket'}: {error.strerror}"}).encode()])
        return
    soft_to_hard()
    broker = Broker(control, private=kind != "loopback", group=group)
    try:
        broker.serve()
    finally:
        broker.kill_all()
        if not broker.private:
            broker.give_group_up()
        os._exit(0)  # nothing to tidy: the interpreter's own ending would take milliseconds


def bury() -> None:
    """Take leave of the brokers that have ended; what they used is counted as ours then (getrusage(2))."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
