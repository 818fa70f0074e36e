"""A PostgreSQL that is reached over TCP, as a host's is: sockets of files have no keepalives."""

from __future__ import annotations

import signal
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from runmanager.demo import places
from runmanager.demo.binaries import find_binaries, reachable_binaries, version_of
from runmanager.demo.postgres import EmbeddedPostgres
from tests.hosts import connect
from tests.polling import wait_until
from tests.standby import SETTINGS, copy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa


@contextmanager
def over_tcp(folder: Path) -> Iterator[sa.URL]:
    """The address of a server on this machine's loopback, with an empty database."""
    with EmbeddedPostgres(folder / "first", settings=SETTINGS) as first:
        second = EmbeddedPostgres(folder / "tcp", settings=SETTINGS)
        copy(first, second, is_standby=False)
        url = first.url().difference_update_query(["host", "port"])
    data = second.base / "data"
    (data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 trust\n")
    binaries, account = find_binaries(), places.server_account(data)
    as_account: dict[str, Any] = {}
    if account:
        binaries = reachable_binaries(binaries, version_of(binaries))
        as_account = {"user": account[0], "group": account[1], "extra_groups": []}
    port = _free_port()
    settings = {
        **SETTINGS,
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (data.parent / "tcp.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  PostgreSQL's own
            [str(binaries / "postgres"), "-D", str(data), *options],
            cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, **as_account,
        )  # fmt: skip
    url = url.set(host="127.0.0.1", port=port)
    try:
        wait_until(lambda: _answers(process, url))
        yield url
    finally:
        # Without waiting for who is connected yet.
        process.send_signal(signal.SIGINT)
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _answers(process: subprocess.Popen[bytes], url: sa.URL) -> bool:
    assert process.poll() is None
    try:
        connect(url).close()
    except psycopg.OperationalError:
        return False
    return True
