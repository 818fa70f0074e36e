"""The keeper: a small process that owns one embedded PostgreSQL and stops it after its last client.

`postgres.py` runs this file as a program, on the standard library alone, so that it starts in a few
milliseconds and outlives the client that asked for it. It makes the data directory where there is
none, starts the server as its child, and waits for an exclusive lock on `lease`, which every client
holds shared: the kernel lets go of a lock however its holder dies, so nobody has to say goodbye.

The server and all its processes inherit the lock on `running`. While anyone holds it, there is a
server; once it is free, a postmaster.pid left here is stale, whatever process has its number now.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STOP_SECONDS = 30
PORT = 5432
SUPERUSER = "runmanager"
_BUILTIN_LOCALE_SINCE = 17
_SET_PARENT_DEATH_SIGNAL = 1
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH")  # our secrets are none of the server's


@dataclass(frozen=True)
class Order:
    """What a client asks of a keeper; it crosses the process boundary as JSON."""

    base: str
    binaries: str
    major: int
    account: tuple[int, int] | None
    settings: dict[str, str]
    running: int  # the descriptor that holds the lock on `running`

    @property
    def data(self) -> Path:
        return Path(self.base, "data")

    def child(self) -> dict[str, Any]:
        """How every PostgreSQL program is run: unprivileged, in English, never outliving us."""
        account = self.account
        return {
            "cwd": "/",
            "stdin": subprocess.DEVNULL,
            "stdout": sys.stderr.fileno(),
            "env": {
                "LC_ALL": "C",
                **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            },
            "pass_fds": (self.running,),
            "preexec_fn": _die_with_parent,
            **({"user": account[0], "group": account[1], "extra_groups": []} if account else {}),
        }


def keep(order: Order) -> None:
    """Serve until the last client is gone or the server ends by itself."""
    sockets = _socket_directory(order)
    if not (order.data / "PG_VERSION").exists():
        _make_data_directory(order)
    for stale in (order.data / "postmaster.pid", *sockets.glob(".s.PGSQL.*")):
        stale.unlink(missing_ok=True)
    settings = {
        **order.settings,
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    program = Path(order.binaries, "postgres")
    command = [str(program), "-D", str(order.data), *options]
    server = subprocess.Popen(command, **order.child())  # noqa: S603  # our own choice
    threading.Thread(target=_stop_after_last_client, args=(order, server), daemon=True).start()
    server.wait()
    with contextlib.suppress(OSError):
        sockets.rmdir()


def _stop_after_last_client(order: Order, server: subprocess.Popen[bytes]) -> None:
    lease = os.open(Path(order.base, "lease"), os.O_RDWR)
    fcntl.flock(lease, fcntl.LOCK_EX)  # kept until this process ends: a new client waits for that
    server.send_signal(signal.SIGINT)  # PostgreSQL's "fast" shutdown
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)


def _make_data_directory(order: Order) -> None:
    """Fill `data` whole or not at all: initdb works under another name."""
    new = Path(order.base, "data.new")
    for failed in (new, order.data):
        if failed.exists():
            shutil.rmtree(failed)
    if order.major >= _BUILTIN_LOCALE_SINCE:
        _run_initdb(
            order, new, "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"
        )
    else:
        try:
            _run_initdb(order, new, "--locale=C.UTF-8")
        except subprocess.CalledProcessError:  # not every system knows C.UTF-8
            _run_initdb(order, new, "--locale=C")
    new.rename(order.data)


def _run_initdb(order: Order, new: Path, *locale: str) -> None:
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(mode=0o700)
    if order.account:
        os.chown(new, *order.account)
    program = Path(order.binaries, "initdb")
    options = [f"--username={SUPERUSER}", "--encoding=UTF8", "--auth-local=trust"]
    options += ["--auth-host=reject", "--no-instructions", *locale]
    if order.settings.get("fsync") == "off":
        options.append("--no-sync")
    command = [str(program), "-D", str(new), *options]
    subprocess.run(command, check=True, **order.child())  # noqa: S603  # our own choice


def _socket_directory(order: Order) -> Path:
    """A short directory of mode 0700 that only the server's account can have made.

    A socket's path has to fit into about 100 bytes, and `base` may be of any length. The name is
    kept in `base`, so that the address stays the same from one start to the next.
    """
    owner = order.account[0] if order.account else os.geteuid()
    note = Path(order.base, "sockets")
    if note.exists():
        known = Path(note.read_text())
        with contextlib.suppress(FileExistsError):
            known.mkdir(mode=0o700)
            if order.account:
                os.chown(known, *order.account)
        found = known.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == owner and not found.st_mode & 0o077:
            return known
    fresh = Path(tempfile.mkdtemp(prefix="runmanager-pg-", dir="/tmp"))  # nosec B108  a fresh one
    if order.account:
        os.chown(fresh, *order.account)
    draft = note.with_name("sockets.new")
    draft.write_text(str(fresh))
    draft.replace(note)
    return fresh


def _die_with_parent() -> None:
    """Stop this server, fast and clean, should its keeper be killed (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGINT)


def main() -> None:
    order = Order(**json.loads(sys.argv[1]))
    if os.fork():  # the client waits for this half only, so it never has a child to look after
        os._exit(0)
    os.umask(0o077)
    log = os.open(Path(order.base, "server.log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, sys.stderr.fileno())
    with contextlib.suppress(subprocess.CalledProcessError):  # initdb has told the log why
        keep(order)


if __name__ == "__main__":
    main()
