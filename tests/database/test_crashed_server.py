"""A server that crashes and starts again, as `pg_ctl restart -m immediate` has it."""

from __future__ import annotations

import os
import random
import signal
import uuid
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest

from runmanager.demo.postgres import EmbeddedPostgres
from runmanager.records import OperationState, Origin
from runmanager.store import operations
from runmanager.store.operations import NewOperation
from tests.database.test_lost_connections import carried_out
from tests.hosts import SHAPES, HostWriter, connect
from tests.operations import deleted, execute_here, in_batches_of
from tests.polling import wait_until
from tests.standby import wal_writer
from tests.stores import StorePlace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.cutting import Cut

SETTINGS = {"synchronous_commit": "off", "autovacuum": "off"}
# `make fuzz` tries every round.
SAMPLED = 4


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostWriter]:
    """A host with a server of its own, whose commits do not wait for the disk."""
    shape = SHAPES[0]
    # pytest gives a folder's name again once it is gone, when its server may still be stopping.
    folder = tmp_path_factory.mktemp(f"crashing-{uuid.uuid4().hex}")
    with EmbeddedPostgres(folder, settings=SETTINGS) as postgres:
        with connect(postgres.url()) as connection:
            connection.execute(shape.ddl())
        host = HostWriter(shape, postgres.url(), connect(postgres.url()))
        yield host
        host.connection.close()


def crash(host: HostWriter) -> None:
    """Let the server lose what is in its memory; return when it takes statements again."""
    writer = wal_writer(host.connection)
    # The death of any of its processes ends them all. This one may stand still.
    os.kill(writer, signal.SIGKILL)

    def has_started_again() -> bool:
        host.connection.close()
        try:
            host.connection = connect(host.url)
            return wal_writer(host.connection) not in {0, writer}
        except psycopg.OperationalError:
            return False

    wait_until(has_started_again)


def test_what_was_said_to_be_deleted_stays_so_on_a_host_that_does_not_wait_for_its_disk(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    runs = host.add_runs(3)
    host.execute("CHECKPOINT")
    os.kill(wal_writer(host.connection), signal.SIGSTOP)
    receipt = execute_here(manager, admin, manager.deleting.plan(admin, runs))
    assert deleted(receipt) == set(runs)
    (later,) = host.add_runs(1)
    crash(host)
    assert all(host.is_gone(run) for run in runs)
    # The control: what the host itself committed afterwards is lost.
    assert host.is_gone(later)


def test_an_operation_that_was_written_down_in_a_store_like_that_stays_so(
    host: HostWriter, tmp_path: Path
) -> None:
    host.execute("CREATE DATABASE store")
    with closing(StorePlace(tmp_path, host.url.set(database="store")).open()) as store:
        host.execute("CHECKPOINT")
        os.kill(wal_writer(host.connection), signal.SIGSTOP)
        new = NewOperation("1" * 32, "deletion", host.admin, Origin.PAGE.value, {}, None)
        with store.write() as connection:
            operations.insert(connection, new, OperationState.QUEUED)
        crash(host)
        with store.read() as connection:
            assert operations.find(connection, new.operation_id) is not None


def test_a_deletion_goes_on_whatever_round_its_server_crashes_at(
    host: HostWriter,
    cut_way: tuple[RunManager, Cut],
    admin: Actor,
    monkeypatch: pytest.MonkeyPatch,
    every_point: bool,
) -> None:
    in_batches_of(2, monkeypatch)
    manager, cut = cut_way
    carried_out(host, manager, admin, cut.begin)
    rounds = range(1, cut.rounds + 1)

    def begin(number: int) -> None:
        # What the host itself has committed is not what may be lost here.
        host.execute("CHECKPOINT")
        cut.begin(number, instead=lambda: crash(host))

    for number in rounds if every_point else sorted(random.sample(rounds, SAMPLED)):
        # A crash that is under way by then is waited for.
        carried_out(host, manager, admin, partial(begin, number), end=cut.begin)
