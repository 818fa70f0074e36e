"""A host's database that goes away for a while, and deletions that last as long as a test needs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.hosts import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hosts import HostWriter

_GATE = 4711
_HELD_BACK = f"""
    CREATE OR REPLACE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_xact_lock_shared({_GATE}); RETURN OLD; END $$;
    CREATE TRIGGER gate BEFORE DELETE ON run_metadata FOR EACH ROW
    WHEN (OLD.thread_id::text IN (%s)) EXECUTE FUNCTION wait_at_gate();
"""


@contextmanager
def away(host: HostWriter) -> Iterator[None]:
    """Let nobody but the test reach the host's database, and end who is there."""
    name = host.url.database
    with connect(host.url.set(database="postgres")) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        server.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = %s AND application_name = 'runmanager'",
            [name],
        )
        try:
            yield
        finally:
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


@contextmanager
def deletions_wait_at(host: HostWriter, *thread_ids: str) -> Iterator[None]:
    """Hold back, inside the block, whoever is about to delete the row of one of these runs."""
    host.execute(_HELD_BACK % ", ".join(f"'{one}'" for one in thread_ids))
    host.execute(f"SELECT pg_advisory_lock({_GATE})")
    try:
        yield
    finally:
        host.execute(f"SELECT pg_advisory_unlock({_GATE})")


def is_waiting(host: HostWriter, many: int = 1) -> bool:
    """Whether somebody is held back, or so many are."""
    found = host.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    return len(found) >= many
