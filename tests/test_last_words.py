"""What is told of what a server printed last: its traceback from the frame that its author knows, in plain letters."""

from __future__ import annotations

from gatecrash.text import decoded, last_words

_OWN = '  File "/home/student/first-course/week-3/echo-server/echo_server.py", line 17, in <module>'
_TRACEBACK = f"""\
Traceback (most recent call last):
{_OWN}
    client, address = server.accept()
                      ^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/socket.py", line 294, in accept
    fd, addr = self._accept()
               ^^^^^^^^^^^^^^
ConnectionAbortedError: [Errno 103] Software caused connection abort"""


def test_a_traceback_is_told_from_its_start_so_that_the_line_of_the_servers_author_is_in_it() -> None:
    assert len(_TRACEBACK) > 300
    told = last_words("connected\n" * 50 + _TRACEBACK + "\n").splitlines()
    assert told[:2] == ["Traceback (most recent call last):", _OWN]
    assert told[-1] == "ConnectionAbortedError: [Errno 103] Software caused connection abort"
    assert not any(line.strip() and not line.strip(" ~^") for line in told)


def test_a_traceback_that_is_too_long_is_cut_where_a_line_begins() -> None:
    deep = _TRACEBACK.replace(_OWN, "\n".join([_OWN] * 20))
    told = last_words(deep)
    assert len(told) <= 300
    assert told.splitlines()[0] in deep.splitlines()


def test_short_words_are_told_as_they_are() -> None:
    assert last_words("listening\nbad command\n") == "listening\nbad command"


def test_the_carriage_returns_of_a_request_that_a_server_prints_look_as_they_do_in_a_source() -> None:
    assert decoded(b"GET / HTTP/1.1\r\nHost: x\r\n") == "GET / HTTP/1.1\\r\nHost: x\\r\n"


def test_a_tab_of_a_stack_trace_is_spaces() -> None:
    words = decoded(b"Exception in thread main\n\tat Echo.main(Echo.java:7)\n")
    assert words == "Exception in thread main\n    at Echo.main(Echo.java:7)\n"
