"""A pgbouncer of the tests: in transaction mode, in front of a server, with two connections."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from runmanager.demo import places
from tests.hosts import connect
from tests.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

POOL_SIZE = 2
PORT = 6432
WHAT_TO_DO = (
    "No pgbouncer: install it (Debian: apt install pgbouncer); without it the tests of Run Manager "
    "behind it are skipped."
)
_CONFIGURATION = """
[databases]
* = host={sockets} port={port} user={user}
[pgbouncer]
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 100
listen_addr =
listen_port = {listen_port}
unix_socket_dir = {folder}
auth_type = any
"""


def find_pgbouncer() -> str | None:
    """The program, which Debian keeps where an ordinary PATH does not lead."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pgbouncer(server: sa.URL) -> Iterator[sa.URL]:
    """Run pgbouncer in front of the server; inside the block, its address with the same database.

    Without the program a test is skipped, or fails where CI runs it.
    """
    program = find_pgbouncer()
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(WHAT_TO_DO)
    folder = Path(
        tempfile.mkdtemp(prefix="runmanager-pgbouncer-", dir="/tmp")
    )  # sockets need a short path
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        _CONFIGURATION.format(
            sockets=server.query["host"],
            port=server.query["port"],
            user=server.username,
            pool_size=POOL_SIZE,
            listen_port=PORT,
            folder=folder,
        )
    )
    # It does not run as root either, and must reach the server's sockets.
    account = places.server_account(Path(str(server.query["host"])))
    user, group = account or (None, None)
    if account:
        os.chown(folder, *account)
        os.chown(configuration, *account)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  Debian's own
            [program, str(configuration)],
            cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            user=user, group=group, extra_groups=[] if account else None,
        )  # fmt: skip
    url = server.update_query_dict({"host": str(folder), "port": str(PORT)})
    try:
        wait_until(lambda: _answers(process, url, folder / "log"))
        yield url
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder)


def _answers(process: subprocess.Popen[bytes], url: sa.URL, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        connect(url).close()
    except psycopg.OperationalError:
        return False
    return True
