"""The demo: a host's database of our own, with sample data, for trying Run Manager without one."""

from __future__ import annotations

import os
import secrets
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from runmanager.demo.postgres import EmbeddedPostgres
from runmanager.demo.sample import ADMIN_PASSWORD, ADMIN_USERNAME, create_tables, fill
from runmanager.errors import DemoError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import URL

__all__ = ["Demo", "EmbeddedPostgres", "create_tables", "fill", "open_demo"]

_DATABASE = "runmanager_demo"
_UNFINISHED = "runmanager_demo_unfinished"
_LOCK = 0x52554E4D  # "RUNM": one process at a time prepares the demo
_KEY_BYTES = 32


@dataclass(frozen=True)
class Demo:
    """A running demo: where its database is, how to sign in, and the folder of its store.

    Each cluster has a store of its own: a newer PostgreSQL makes a new cluster.
    """

    url: URL
    username: str
    password: str = field(repr=False)
    cookie_key: str = field(repr=False)
    state_dir: Path
    server: EmbeddedPostgres = field(repr=False)

    def close(self) -> None:
        """Let go of the database, which stops when nobody else uses it."""
        self.server.close()


def open_demo(directory: Path, *, runs: int = 3000) -> Demo:
    """Return the demo that lives in `directory`, made with so many runs if it is new.

    Raises DemoError when PostgreSQL cannot run here.
    """
    directory = directory.expanduser().resolve()
    server = EmbeddedPostgres(directory).start()
    try:
        with closing(_connect(server, "postgres")) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            _prepare_database(connection, server, runs)
            cookie_key = _cookie_key(directory)
    except (psycopg.Error, OSError) as error:
        server.close()
        raise DemoError(f"The demo could not be prepared: {error}") from error
    except BaseException:
        server.close()
        raise
    return Demo(
        url=server.url(_DATABASE),
        username=ADMIN_USERNAME,
        password=ADMIN_PASSWORD,
        cookie_key=cookie_key,
        state_dir=server.base / "state",
        server=server,
    )


def _prepare_database(connection: psycopg.Connection, server: EmbeddedPostgres, runs: int) -> None:
    """Make the database under another name first, so that the demo is whole or not there."""
    known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE])
    if known.fetchone():
        return
    connection.execute(f"DROP DATABASE IF EXISTS {_UNFINISHED} WITH (FORCE)")
    connection.execute(f"CREATE DATABASE {_UNFINISHED}")
    with closing(_connect(server, _UNFINISHED)) as unfinished, unfinished.transaction():
        create_tables(unfinished)
        fill(unfinished, runs=runs)
    connection.execute(f"ALTER DATABASE {_UNFINISHED} RENAME TO {_DATABASE}")


def _connect(server: EmbeddedPostgres, database: str) -> psycopg.Connection:
    address = server.url(database).set(drivername="postgresql")
    return psycopg.connect(address.render_as_string(hide_password=False), autocommit=True)


def _cookie_key(directory: Path) -> str:
    """Return the key that signs the demo's cookies, kept so that a sign-in survives a restart.

    A file that others could have read or put there is not trusted: a new key replaces it.
    """
    kept = directory / "cookie.key"
    if kept.exists():
        found = kept.lstat()
        if found.st_uid == os.geteuid() and not found.st_mode & 0o077:
            return kept.read_text().strip()
    draft = directory / "cookie.key.new"
    draft.unlink(missing_ok=True)
    key = secrets.token_hex(_KEY_BYTES)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key)
    draft.replace(kept)
    return key
