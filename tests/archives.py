"""The archive as the tests have it: its places, batches written into it, and psql alone."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
import zstandard
from moto.server import ThreadedMotoServer

from runmanager.archive.places import LocalPlace
from runmanager.archive.rows_file import RowsFile
from runmanager.archive.rows_format import RowsHeader, file_name
from runmanager.conventions import Conventions
from runmanager.database import Database
from runmanager.deletion.forms import archive_settings, read_forms
from runmanager.deletion.references import archive_references
from runmanager.deletion.rows import delete_rows
from runmanager.demo.binaries import find_binaries
from runmanager.host.catalog import read_host
from runmanager.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import sqlalchemy as sa

    from runmanager.folders import Folder
    from runmanager.host.values import Host
    from tests.hosts import HostWriter

SETTINGS = Settings()


def settings(archive: str) -> Settings:
    """The settings of a Run Manager whose archive is there."""
    return replace(SETTINGS, archive=archive)


@contextmanager
def s3() -> Iterator[str]:
    """An S3 of this machine's own; its address. What it is asked it keeps to itself."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def s3_environment(address: str) -> dict[str, str]:
    """The variables by which an S3 at this address is found, as its users set them."""
    return {
        "AWS_ENDPOINT_URL_S3": address,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def make_bucket(name: str) -> None:
    """Make a bucket in the S3 that the environment names."""
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(name)


class KilledError(BaseException):
    """The process was killed here."""


class Killed:
    """``os``, until step number ``at`` of the module that is given this in its place.

    There, and at every later step, nothing is done any more: as after a kill, also what would have
    been cleared up. ``steps`` has the names of those that were done.
    """

    STEPS = frozenset(
        {"open", "write", "fsync", "close", "replace", "unlink", "mkdir", "makedirs", "rmdir"}
    )

    def __init__(self, at: int | None = None) -> None:
        self._at = at
        self.steps: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        return self._counted(name, found) if name in self.STEPS else found

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*values: Any, **options: Any) -> Any:
            if self._at is not None and len(self.steps) >= self._at:
                raise KilledError
            self.steps.append(name)
            return call(*values, **options)

        return counted


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` with what it holds, half written ones left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


@contextmanager
def mounted(path: Path) -> Iterator[None]:
    """A disk of 1 MB there, for the block; only root can mount one."""
    path.mkdir(exist_ok=True)
    if os.geteuid() != 0 or not _ran("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)):
        pytest.skip("no disk can be mounted here")
    try:
        yield
    finally:
        assert _ran("umount", str(path))


def remount_read_only(path: Path) -> None:
    """Let the disk that is mounted there take no writes any more."""
    assert _ran("mount", "-o", "remount,ro", str(path))


def _ran(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603  the tests' own


@dataclass
class Batches:
    """Deletes runs into an archive, batch by batch, as an operation does."""

    host: HostWriter
    path: Path
    url: sa.URL | None = None
    conventions: Conventions = field(default_factory=Conventions)
    number: int = 0

    def __post_init__(self) -> None:
        place = LocalPlace(self.path)
        if place.read_marker() is None:
            place.write_marker("x")
        self.folder: Folder = place.folder("op")

    @contextmanager
    def opened(self) -> Iterator[tuple[Database, Host]]:
        """The database, and its schema as it is now."""
        database = Database(self.url or self.host.url, SETTINGS)
        try:
            with database.read() as connection:
                found = read_host(connection, self.conventions)
            yield database, found
        finally:
            database.close()

    def delete(self, thread_ids: Sequence[str]) -> Counter[str]:
        """Delete these runs in one batch; how many rows went, by table."""
        with self.opened() as (database, host):
            return self.delete_from(database, host, thread_ids)

    def delete_from(
        self, database: Database, host: Host, thread_ids: Sequence[str]
    ) -> Counter[str]:
        """The same, with a schema that was read before."""
        self.number += 1
        gone: Counter[str] = Counter()
        with (
            RowsFile(self.folder, self.number) as file,
            database.write() as connection,
        ):
            path = archive_settings(connection)
            forms = read_forms(connection, host)
            archive_references(connection, host, thread_ids, file)
            for unit in host.units:
                for table, _run, rows in delete_rows(
                    connection, host, unit, thread_ids, file, forms
                ):
                    gone[table] += rows
            file.finish(RowsHeader("op", self.number, "123", {"name": "app"}, path))
        return gone

    def script(self, number: int | None = None) -> bytes:
        """What is in the file of a batch, of the last one by default."""
        return b"".join(self.frames(number))

    def frames(self, number: int | None = None) -> list[bytes]:
        """Its frames, each for itself."""
        data = self.folder.read(file_name(number or self.number))
        found = []
        while data:
            reader = zstandard.ZstdDecompressor().decompressobj()
            found.append(reader.decompress(data))
            data = reader.unused_data
        return found

    def header(self, number: int | None = None) -> RowsHeader:
        """What a file says of itself."""
        line = self.script(number).split(b"\n")[1]
        return RowsHeader.from_json(json.loads(line.removeprefix(b"-- ")))

    def restore_by_psql(self) -> str:
        """Put all batches back, the last first, without Run Manager; what psql complains of."""
        said = [self.psql(self.script(number)) for number in range(self.number, 0, -1)]
        return "".join(said)

    def psql(self, script: bytes) -> str:
        """Run a script as the owner of the host's tables; what psql complains of."""
        url = self.host.url.set(drivername="postgresql").difference_update_query(["options"])
        done = subprocess.run(  # noqa: S603  PostgreSQL's own
            [
                str(find_binaries() / "psql"),
                *("-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction"),
                url.render_as_string(hide_password=False),
            ],
            input=script,
            capture_output=True,
            check=False,
            env=os.environ | {"PGCLIENTENCODING": "LATIN1"},
        )
        complaints = done.stderr.decode()
        assert done.returncode == 0, complaints
        return complaints


def values_of(host: HostWriter, *schemas: str) -> dict[str, list[str]]:
    """Every row of every table in the binary form of its values, sorted: no setting alters that."""
    # Of one type there is no binary form.
    tables = host.execute(
        "SELECT concat(quote_ident(nspname), '.', quote_ident(relname)), string_agg("
        "  CASE WHEN atttypid IN ('aclitem'::regtype, 'aclitem[]'::regtype)"
        "   THEN concat('t.', quote_ident(attname), '::text')"
        "   ELSE concat('t.', quote_ident(attname)) END, ', ' ORDER BY attnum)"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped"
        " WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname = ANY(%s)"
        " GROUP BY nspname, relname",
        list(schemas or [host.shape.schema]),
    )
    return {
        table: [
            row
            for (row,) in host.execute(
                f"SELECT encode(record_send(row({columns})), 'hex') FROM {table} t ORDER BY 1"  # noqa: S608
            )
        ]
        for table, columns in tables
    }
