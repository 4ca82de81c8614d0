"""What a program says of its own troubles: exceptions that nobody caught, errors of calls, assertions. Pure text."""

from __future__ import annotations

import errno
import os
import re

#: What strerror(3) says of each error, as perror(3) writes it behind a colon.
_ERRORS = {os.strerror(number): name for number, name in errno.errorcode.items()}
_TRACEBACK = "Traceback (most recent call last):"
#: The line that names an exception: `module.Name: what it says`, in Python, Java and JavaScript alike.
_NAMED = re.compile(r"(?:Exception in thread \"[^\"]*\" |Uncaught )?((?:[A-Za-z_$][\w$]*\.)*[A-Z]\w*)(?::|$)")
_FRAME = re.compile(r"\s+at \S")  # a line of a stack in Java and in JavaScript
_THROWN = re.compile(r"terminate called after throwing an instance of '([^']+)'")
_PANIC = re.compile(r"panic: |fatal error: |thread '[^']*' (?:\(\d+\) )?panicked at ")
#: assert(3); glibc's own checks of its heap and of the stack.
_ASSERTION = re.compile(r"Assertion [`'].*' failed")
_ABORTED = re.compile(r"\*\*\* .* detected \*\*\*|(?:free|malloc|realloc)\(\): |double free or corruption|corrupted ")
_ERRNO = re.compile(r"\[Errno (\d+)\]|\b(E[A-Z0-9]{3,})\b")


def exceptions(output: str) -> tuple[str, ...]:
    """The names of the exceptions whose tracebacks are in the output, without their modules, in order."""
    found = [_NAMED.match(line) for line in _exception_lines(output.splitlines())]
    thrown = [name.rpartition("::")[2] for name in _THROWN.findall(output)]
    return (*(one[1].rpartition(".")[2] for one in found if one is not None), *thrown)


def _exception_lines(lines: list[str]) -> list[str]:
    found = []
    open_traceback = False
    for number, line in enumerate(lines):
        behind = lines[number + 1] if number + 1 < len(lines) else ""
        if line.startswith(_TRACEBACK):
            open_traceback = True
        elif open_traceback and line and not line[0].isspace():
            open_traceback = False
            found.append(line)
        elif _NAMED.match(line) and _FRAME.match(behind):
            found.append(line)
    return found


def errors(output: str) -> frozenset[str]:
    """The names of the errors that are told in the output, as in "accept: Invalid argument"."""
    found = {_ERRORS[said] for line in output.splitlines() if (said := line.rpartition(": ")[2].strip(" .")) in _ERRORS}
    numbers = {errno.errorcode.get(int(number), "") for number, _ in _ERRNO.findall(output) if number}
    named = {name for _, name in _ERRNO.findall(output) if name in _ERRORS.values()}
    return frozenset((found | numbers | named) - {""})


def assertion(output: str) -> str:
    """The line that says which assertion has failed (assert(3)); "" where none has."""
    return next((line.strip() for line in output.splitlines() if _ASSERTION.search(line)), "")


def aborted(output: str) -> str:
    """The line that says why abort(3) was called: an assertion, a check of the C library, an exception; "" for none."""
    why = (_ASSERTION, _ABORTED, _THROWN)
    return next((line.strip() for line in output.splitlines() if any(one.search(line) for one in why)), "")


def complaints(output: str) -> tuple[str, ...]:
    """The lines of the output that tell of an error: one each, in order, without those that were said before."""
    lines = output.splitlines()
    raised = set(_exception_lines(lines))
    found = [line.strip() for line in lines if line in raised or _complains(line)]
    return tuple(dict.fromkeys(found))


def _complains(line: str) -> bool:
    if line.rpartition(": ")[2].strip(" .") in _ERRORS and not line[:1].isspace():
        return True
    return any(one.search(line) for one in (_ASSERTION, _ABORTED, _PANIC, _THROWN))
