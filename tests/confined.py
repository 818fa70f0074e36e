"""Runs a program with the system calls that a systemd unit leaves it, as systemd would.

``python -m tests.confined UNIT PROGRAM ARGUMENT…``. What systemd does by namespaces is left out;
it needs an administrator.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

_NO_NEW_PRIVILEGES = 38
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_EQUAL, _MASKED_EQUAL = 4, 7
_FAMILIES = 46  # as many as Linux has
_WRITE, _EXECUTE, _SHARED_EXECUTE = 2, 4, 0o100000


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


class _Filter:
    """One filter of libseccomp's."""

    def __init__(self, otherwise: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(otherwise)))

    def add(self, action: int, call: str, *comparisons: _Comparison) -> None:
        """Answer a call so, where its arguments compare so; one that is not known here is none."""
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number < 0:
            return
        array = (_Comparison * len(comparisons))(*comparisons)
        _expect_none(
            self._library.seccomp_rule_add_array(
                self._context, ctypes.c_uint32(action), number, len(comparisons), array
            )
        )

    def load(self) -> None:
        """Let it hold from now on, for this process and all that it becomes."""
        _expect_none(self._library.seccomp_load(self._context))


def allowed(unit: str) -> set[str]:
    """The system calls of a unit's SystemCallFilter= lines."""
    found: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.+)$", unit, re.M):
        calls = {call for name in line.lstrip("~").split() for call in _calls_of(name)}
        found = found - calls if line.startswith("~") else found | calls
    return found


def families(unit: str) -> set[int]:
    """The address families of its RestrictAddressFamilies= line."""
    (line,) = re.findall(r"^RestrictAddressFamilies=(.+)$", unit, re.M)
    return {int(getattr(socket, name)) for name in line.split()}


def _calls_of(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    said = subprocess.run(  # noqa: S603  # systemd's own program
        ["systemd-analyze", "syscall-filter", name],  # noqa: S607
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    members = [line.strip() for line in said.splitlines()[1:]]
    return {
        call
        for member in members
        if member and not member.startswith("#")
        for call in _calls_of(member)
    }


def _expect_none(code: int) -> None:
    if code:
        raise OSError(-code, os.strerror(-code))


def _confine(unit: str) -> None:
    refused = _ERRNO | errno.EPERM
    calls = _Filter(refused)
    for call in sorted(allowed(unit)):
        calls.add(_ALLOW, call)
    others = _Filter(_ALLOW)
    if "\nMemoryDenyWriteExecute=yes\n" in unit:
        both = _WRITE | _EXECUTE
        others.add(refused, "mmap", _Comparison(2, _MASKED_EQUAL, both, both))
        for call in ("mprotect", "pkey_mprotect"):
            others.add(refused, call, _Comparison(2, _MASKED_EQUAL, _EXECUTE, _EXECUTE))
        shared = _Comparison(2, _MASKED_EQUAL, _SHARED_EXECUTE, _SHARED_EXECUTE)
        others.add(refused, "shmat", shared)
    for family in set(range(_FAMILIES)) - families(unit):
        others.add(_ERRNO | errno.EAFNOSUPPORT, "socket", _Comparison(0, _EQUAL, family, 0))
    if ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no new privileges")
    others.load()
    calls.load()


if __name__ == "__main__":
    _confine(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  # no shell, the test's own command
