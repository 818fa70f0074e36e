"""A ledger's records: durable before their COMMIT, and true whatever becomes of the connection."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from runmanager import ledger
from runmanager.archive.places import LocalPlace
from runmanager.commits import Fate, fate_of
from runmanager.demo.postgres import EmbeddedPostgres
from runmanager.errors import ArchiveError, InterruptedOperationError, LeaseLostError, StoreError
from runmanager.ledger import rows_name
from tests.cutting import cutting
from tests.folders import MemoryFolder
from tests.hosts import connect
from tests.ledgers import OPERATION, Deleting, Gone, Watched, believing, deleting, forgetting
from tests.outage import away
from tests.polling import wait_until
from tests.standby import SETTINGS, copy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.cutting import Cut
    from tests.hosts import HostWriter

RECORD, ROWS = "000001.json", rows_name(1)
_LOCK = f"hashtextextended('run-manager operation {OPERATION}', 0)"


@pytest.fixture
def ours(host: HostWriter) -> Iterator[Deleting]:
    with deleting(host.url) as ours:
        yield ours


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait long for what nobody knows yet."""
    monkeypatch.setattr(ledger, "RESOLVE_SECONDS", 0.5)
    monkeypatch.setattr(ledger, "_PAUSE_SECONDS", 0.02)


def is_there(host: HostWriter, run: str) -> bool:
    return bool(host.execute("SELECT 1 FROM run_metadata WHERE thread_id = %s", run))


def end_backends(host: HostWriter) -> None:
    """End every connection of Run Manager's, and return when they are gone."""
    host.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'runmanager'"
    )


def assert_true(host: HostWriter, ours: Deleting, *runs: str) -> None:
    """What the records say is what the database shows, and rows are beside the records only."""
    says = ours.says
    for run in runs:
        is_gone = run in says and says[run] is None
        assert is_gone is not is_there(host, run), (run, says)
    numbers = {name[:6] for name in ours.folder.names() if name.endswith(".json")}
    assert {name[:6] for name in ours.folder.names()} == numbers


# Durable before the COMMIT


def test_a_record_is_written_while_its_transaction_is_open(host: HostWriter) -> None:
    run, *_ = host.add_runs(1)
    seen: list[tuple[str, bool]] = []
    folder = Watched(on_write=lambda name: seen.append((name, is_there(host, run))))
    with deleting(host.url, folder) as ours:
        ours.delete(run)
        assert seen == [(ROWS, True), (RECORD, True)]
        assert fate_of(ours.database, ours.ledger.read(1)["xid"]) is Fate.COMMITTED
        assert ours.says == {run: None}
    assert not is_there(host, run)


@pytest.mark.parametrize("name", [ROWS, RECORD])
def test_what_cannot_be_written_down_does_not_happen(host: HostWriter, name: str) -> None:
    run, *_ = host.add_runs(1)

    def refuse(written: str) -> None:
        if written == name:
            raise ArchiveError

    with deleting(host.url, Watched(on_write=refuse)) as ours:
        with pytest.raises(ArchiveError):
            ours.delete(run)
        assert ours.folder.names() == ()
    assert is_there(host, run)


def test_what_changes_nothing_is_not_recorded(host: HostWriter) -> None:
    with deleting(host.url, Watched()) as ours:
        assert ours.delete("nobody").is_nothing
        ours.new_ledger().recover()
        assert ours.folder.names() == ()


def test_what_a_commit_is_refused_for_is_withdrawn(host: HostWriter, ours: Deleting) -> None:
    host.execute("CREATE TABLE invoices (run text REFERENCES run_metadata INITIALLY DEFERRED)")
    first, second = host.add_runs(2)
    host.execute("INSERT INTO invoices VALUES (%s)", first)
    with pytest.raises(sa.exc.IntegrityError):
        ours.delete(first)
    assert ours.folder.names() == ()
    ours.delete(second)
    assert ours.says == {second: None}
    assert_true(host, ours, first, second)


# The connection


@pytest.fixture
def cut_way(host: HostWriter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A ledger whose way to the database can be cut, and what cuts it."""
    with cutting(host.url, tmp_path_factory.mktemp("way")) as (url, cut), deleting(url) as ours:
        yield ours, cut


def rounds_of_a_transaction(host: HostWriter, ours: Deleting, cut: Cut) -> int:
    """How many rounds one transaction has, on a connection that is open already."""
    before, run = host.add_runs(2)
    ours.delete(before)
    cut.begin()
    ours.delete(run)
    return cut.rounds


def assert_goes_on(host: HostWriter, ours: Deleting, cut: Cut, run: str) -> bool:
    """Delete ``run`` with a fault on the way; what is said is true, and goes on. If it was done."""
    (another,) = host.add_runs(1)
    try:
        was_done = bool(ours.delete(run).runs)
    except (sa.exc.SQLAlchemyError, InterruptedOperationError):
        was_done = False
    assert was_done is not is_there(host, run)
    assert cut.cuts == 1
    cut.begin()
    assert_true(host, ours, run)
    # Another turn finds the same, and so does this one.
    ours.new_ledger().recover()
    assert_true(host, ours, run)
    ours.delete(another)
    assert_true(host, ours, run, another)
    return was_done


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_whatever_round_the_connection_is_cut_at_the_truth_is_found(
    host: HostWriter, cut_way: tuple[Deleting, Cut], after: bool
) -> None:
    ours, cut = cut_way
    rounds = rounds_of_a_transaction(host, ours, cut)
    assert rounds > 6
    done = []
    for number in range(1, rounds + 1):
        (run,) = host.add_runs(1)
        ours.ledger = ours.new_ledger()
        ours.ledger.recover()
        cut.begin(number, after=after)
        done.append(assert_goes_on(host, ours, cut, run))
    # A connection found to be dead before the transaction is made anew; else only a COMMIT that
    # reached the server was carried out.
    assert done[-1] is after
    assert not any(done[2:-1])


def test_whatever_round_the_backend_is_ended_at_the_truth_is_found(
    host: HostWriter, cut_way: tuple[Deleting, Cut]
) -> None:
    ours, cut = cut_way
    rounds = rounds_of_a_transaction(host, ours, cut)
    for number in range(1, rounds + 1):
        (run,) = host.add_runs(1)
        ours.ledger = ours.new_ledger()
        ours.ledger.recover()
        cut.begin(number, instead=lambda: end_backends(host))
        assert_goes_on(host, ours, cut, run)


@pytest.mark.parametrize(("broken", "after"), [(believing, False), (forgetting, True)])
def test_a_ledger_that_did_not_ask_would_be_found_out(
    host: HostWriter,
    cut_way: tuple[Deleting, Cut],
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[pytest.MonkeyPatch], None],
    after: bool,
) -> None:
    ours, cut = cut_way
    rounds = rounds_of_a_transaction(host, ours, cut)
    (run,) = host.add_runs(1)
    broken(monkeypatch)
    cut.begin(rounds, after=after)
    with pytest.raises(AssertionError):
        assert_goes_on(host, ours, cut, run)


def test_a_commit_whose_answer_is_lost_is_done_once_the_server_says_so(
    host: HostWriter, cut_way: tuple[Deleting, Cut]
) -> None:
    ours, cut = cut_way
    rounds = rounds_of_a_transaction(host, ours, cut)
    run, after = host.add_runs(2)
    cut.begin(rounds, after=True)
    assert ours.delete(run).runs == (run,)
    assert b"COMMIT" in cut.sent[rounds - 1]
    ours.delete(after)
    assert [record["number"] for record in ours.ledger.records()] == [1, 2, 3, 4]
    assert_true(host, ours, run, after)


def test_what_is_undone_before_the_answer_to_its_commit_is_known_is_said_in_no_kind_s_words(
    host: HostWriter, cut_way: tuple[Deleting, Cut]
) -> None:
    ours, cut = cut_way
    rounds = rounds_of_a_transaction(host, ours, cut)
    run, after = host.add_runs(2)

    def undone(record: Mapping[str, Any]) -> set[str]:
        host.add_run(run)
        return ours.undone(record)

    ours.ledger.undone = undone
    cut.begin(rounds, after=True)
    with pytest.raises(InterruptedOperationError, match="what is there now") as interrupted:
        ours.delete(run)
    assert not any(word in interrupted.value.message for word in ("delet", "restor"))
    assert ours.says[run] == ours.put_back
    ours.ledger = ours.new_ledger()
    ours.ledger.recover()
    ours.delete(after)
    assert_true(host, ours, run, after)


def test_a_commit_whose_answer_is_lost_stays_in_doubt_while_nobody_can_be_asked(
    host: HostWriter, cut_way: tuple[Deleting, Cut], short: None
) -> None:
    ours, cut = cut_way
    rounds = rounds_of_a_transaction(host, ours, cut)
    (run,) = host.add_runs(1)
    cut.begin(rounds, instead=lambda: stack.__enter__())
    stack = away(host)
    with pytest.raises(InterruptedOperationError):
        ours.delete(run)
    with pytest.raises(InterruptedOperationError):
        ours.new_ledger().recover()
    stack.__exit__(None, None, None)
    ours.new_ledger().recover()
    assert_true(host, ours, run)


# Recovery


def crashed(host: HostWriter, ours: Deleting, run: str) -> tuple[Any, str]:
    """What an instance leaves that dies at its COMMIT: its open transaction, and the record."""
    other = connect(host.url)
    other.autocommit = False
    other.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
    (xid,) = other.execute("SELECT pg_current_xact_id()::text").fetchone() or ("",)
    other.execute("DELETE FROM run_metadata WHERE thread_id = %s", [run])
    record = f'{{"done":{{"{run}":{{"run_metadata":1}}}},"failed":{{}},"xid":"{xid}"}}'
    ours.folder.write(ROWS, b"rows")
    ours.folder.write(RECORD, record.encode())
    return other, xid


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_an_open_transaction_of_a_predecessor_is_waited_for(
    host: HostWriter, ours: Deleting, ending: str
) -> None:
    (run,) = host.add_runs(1)
    other, _xid = crashed(host, ours, run)
    with ThreadPoolExecutor(1) as threads:
        recovered = threads.submit(ours.ledger.recover)
        wait_until(lambda: is_waiting(host))
        assert not recovered.done()
        assert ours.folder.names() == (RECORD, ROWS)
        getattr(other, ending)()
        recovered.result(20)
    assert ours.says == ({run: None} if ending == "commit" else {})
    assert_true(host, ours, run)
    other.close()


def test_what_a_predecessor_writes_down_while_it_is_waited_for_counts(
    host: HostWriter, ours: Deleting
) -> None:
    first, run, next_run = host.add_runs(3)
    ours.delete(first)
    successor = Deleting(ours.database, ours.folder)
    with ThreadPoolExecutor(1) as threads:

        def do(connection: sa.Connection, number: int) -> Gone:
            waiting.append(threads.submit(successor.ledger.recover))
            wait_until(lambda: is_waiting(host))
            connection.execute(
                sa.text("DELETE FROM run_metadata WHERE thread_id = :id"), {"id": run}
            )
            ours.folder.write(rows_name(number), b"rows")
            return Gone((run,))

        waiting: list[Any] = []
        ours.ledger.transact(None, do)
        waiting[0].result(20)
    successor.delete(next_run)
    assert successor.says == dict.fromkeys([first, run, next_run])
    assert_true(host, successor, first, run, next_run)


def is_waiting(host: HostWriter) -> bool:
    return bool(host.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))


def test_nothing_is_begun_while_a_predecessor_s_transaction_is_open(
    host: HostWriter, ours: Deleting, short: None
) -> None:
    run, next_run = host.add_runs(2)
    other, _xid = crashed(host, ours, run)
    with pytest.raises(InterruptedOperationError, match="not over there yet"):
        ours.new_ledger().recover()
    with pytest.raises(InterruptedOperationError, match="not over there yet"):
        ours.delete(next_run)
    assert ours.folder.names() == (RECORD, ROWS)
    assert is_there(host, next_run)
    other.rollback()
    other.close()


def test_rows_without_a_record_are_nobody_s(host: HostWriter, ours: Deleting) -> None:
    (run,) = host.add_runs(1)
    ours.delete(run)
    ours.folder.write(rows_name(2), b"of a transaction that was never sent")
    ours.new_ledger().recover()
    assert ours.folder.names() == (RECORD, ROWS)
    assert_true(host, ours, run)


def test_rows_without_a_record_stay_while_another_instance_may_be_at_work(
    host: HostWriter, ours: Deleting
) -> None:
    ours.folder.write(ROWS, b"of a transaction that is open elsewhere")
    ours.is_leased = False
    with pytest.raises(LeaseLostError):
        ours.ledger.recover()
    assert ours.folder.names() == (ROWS,)


def test_a_database_that_is_away_interrupts_a_recovery(
    host: HostWriter, ours: Deleting, short: None
) -> None:
    (run,) = host.add_runs(1)
    ours.delete(run)
    with away(host), pytest.raises(InterruptedOperationError):
        ours.new_ledger().recover()
    ours.new_ledger().recover()
    assert_true(host, ours, run)


def test_a_database_that_takes_no_changes_interrupts_a_recovery(
    host: HostWriter, short: None
) -> None:
    host.execute(f"ALTER DATABASE {host.url.database} CONNECTION LIMIT 0")
    host.execute("CREATE ROLE limited LOGIN")
    try:
        with (
            deleting(host.url.set(username="limited")) as ours,
            pytest.raises(InterruptedOperationError),
        ):
            ours.ledger.recover()
    finally:
        host.execute("DROP ROLE limited")


# The lease


def test_a_lease_that_was_lost_lets_nothing_be_done(host: HostWriter, ours: Deleting) -> None:
    (run,) = host.add_runs(1)
    ours.is_leased = False
    with pytest.raises(LeaseLostError):
        ours.delete(run)
    assert is_there(host, run)
    assert ours.folder.names() == ()


def test_the_lease_is_asked_for_under_the_operation_s_lock(
    host: HostWriter, ours: Deleting
) -> None:
    (run,) = host.add_runs(1)
    held: list[bool] = []

    def look() -> None:
        (can_lock,) = host.execute(f"SELECT pg_try_advisory_lock({_LOCK})")[0]
        held.append(not can_lock)

    ours.on_lease = look
    ours.delete(run)
    # At the beginning, and before each of the two files appears.
    assert held == [True, True, True]


def test_a_store_that_does_not_answer_lets_nothing_be_done(host: HostWriter) -> None:
    (run,) = host.add_runs(1)

    def fail() -> None:
        raise StoreError

    with deleting(host.url) as ours:
        ours.on_lease = fail
        with pytest.raises(StoreError):
            ours.delete(run)
        assert ours.folder.names() == ()
    assert is_there(host, run)


@pytest.mark.parametrize("at", [2, 3], ids=["before the rows", "before the record"])
def test_a_store_that_goes_away_while_it_is_written_down_lets_nothing_be_done(
    host: HostWriter, ours: Deleting, at: int
) -> None:
    run, after = host.add_runs(2)

    def fail() -> None:
        if ours.asked >= at:
            raise StoreError

    ours.on_lease = fail
    with pytest.raises(StoreError):
        ours.delete(run)
    assert is_there(host, run)
    assert RECORD not in ours.folder.names()
    ours.on_lease = lambda: None
    ours.ledger = ours.new_ledger()
    ours.ledger.recover()
    assert ours.folder.names() == ()
    ours.delete(after)
    assert_true(host, ours, run, after)


def test_a_record_in_doubt_is_left_to_the_instance_that_has_the_lease_by_then(
    host: HostWriter, cut_way: tuple[Deleting, Cut]
) -> None:
    ours, cut = cut_way
    rounds = rounds_of_a_transaction(host, ours, cut)
    (run,) = host.add_runs(1)

    def lose() -> None:
        end_backends(host)
        ours.is_leased = False

    cut.begin(rounds, instead=lose)
    with pytest.raises(LeaseLostError):
        ours.delete(run)
    assert "000003.json" in ours.folder.names()
    ours.is_leased = True
    ours.new_ledger().recover()
    assert_true(host, ours, run)


def test_who_sleeps_over_their_lease_takes_away_nothing_of_a_successor_s(
    host: HostWriter, ours: Deleting
) -> None:
    """The sleeper's connection is gone, so its lock is; the successor has used the same number."""
    mine, theirs = host.add_runs(2)
    other = Deleting(ours.database, ours.folder)
    said: list[dict[str, str | None]] = []

    def do(connection: sa.Connection, _number: int) -> Any:
        end_backends(host)
        other.ledger.recover()
        other.delete(theirs)
        said.append(other.says)
        ours.is_leased = False
        connection.execute(sa.text("SELECT 1"))

    with pytest.raises((sa.exc.SQLAlchemyError, LeaseLostError)):
        ours.ledger.transact(None, do)
    assert said == [{theirs: None}]
    assert other.says == {theirs: None}
    assert ours.folder.names() == (RECORD, ROWS)
    assert_true(host, other, mine, theirs)


@pytest.mark.parametrize("way", ["at once", "piece by piece"])
def test_who_sleeps_over_their_lease_puts_nothing_in_the_place_of_a_successor_s(
    host: HostWriter, ours: Deleting, way: str
) -> None:
    mine, theirs = host.add_runs(2)
    other = Deleting(ours.database, ours.folder)
    half: list[bytes] = []

    def sleep() -> None:
        end_backends(host)
        other.ledger.recover()
        other.delete(theirs)
        half.append(ours.folder.read(ROWS))
        ours.is_leased = False

    def do(_connection: sa.Connection, _number: int) -> Any:
        if way == "at once":
            sleep()
            ours.ledger.folder.write(ROWS, b"of who slept")
        with ours.ledger.folder.writing(ROWS) as sink:
            sink.write(b"of who slept")
            sleep()

    with pytest.raises(LeaseLostError):
        ours.ledger.transact(None, do)
    assert half == [ours.folder.read(ROWS)] == [b"rows"]
    assert other.says == {theirs: None}
    assert ours.folder.names() == (RECORD, ROWS)
    assert_true(host, other, mine, theirs)


# A commit that is awaited


@pytest.fixture
def awaiting(host: HostWriter) -> Iterator[threading.Event]:
    """Let each commit wait for a standby that is away; once it is set, none is waited for."""

    def wait_for(standby: str) -> None:
        host.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'")
        host.execute("SELECT pg_reload_conf()")
        wait_until(lambda: host.execute("SHOW synchronous_standby_names") == [(standby,)])

    class Awaiting(threading.Event):
        def set(self) -> None:
            wait_for("")
            super().set()

    wait_for("nobody")
    event = Awaiting()
    yield event
    event.set()
    host.execute("ALTER SYSTEM RESET synchronous_standby_names")
    host.execute("SELECT pg_reload_conf()")


def is_awaiting(host: HostWriter) -> bool:
    return bool(host.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))


def test_a_commit_that_waits_for_its_standby_is_waited_for_though_its_rows_look_untouched(
    host: HostWriter, awaiting: threading.Event, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run, other = host.add_runs(2)
    slow = host.url.update_query_dict({"options": "-c synchronous_commit=on"})
    with cutting(slow, tmp_path_factory.mktemp("way")) as (url, cut), deleting(url) as ours:
        cut.begin(b"COMMIT\0", after=True)
        with ThreadPoolExecutor(1) as threads:
            done = threads.submit(ours.delete, run)
            wait_until(lambda: cut.cuts == 1 and is_awaiting(host))
            wait_until(lambda: is_asking(host))
            assert is_there(host, run)
            assert not done.done()
            awaiting.set()
            assert done.result(30).runs == (run,)
        assert_true(host, ours, run)
        ours.delete(other)
        assert_true(host, ours, run, other)


def is_asking(host: HostWriter) -> bool:
    """Whether somebody has asked what became of a transaction, and been told that it is open."""
    return bool(
        host.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'runmanager'"
            " AND wait_event IS DISTINCT FROM 'SyncRep' AND state = 'idle'"
        )
    )


def test_a_commit_that_waits_for_its_standby_is_not_over_for_a_successor(
    host: HostWriter,
    awaiting: threading.Event,
    tmp_path_factory: pytest.TempPathFactory,
    short: None,
) -> None:
    (run,) = host.add_runs(1)
    slow = host.url.update_query_dict({"options": "-c synchronous_commit=on"})
    with cutting(slow, tmp_path_factory.mktemp("way")) as (url, cut), deleting(url) as ours:
        cut.begin(b"COMMIT\0", after=True)
        with pytest.raises(InterruptedOperationError, match="not over there yet"):
            ours.delete(run)
        with pytest.raises(InterruptedOperationError, match="not over there yet"):
            ours.new_ledger().recover()
        assert is_there(host, run)
        assert ours.folder.names() == (RECORD, ROWS)
        awaiting.set()
        ours.new_ledger().recover()
        assert_true(host, ours, run)
        assert not is_there(host, run)


# A database that is put back


@pytest.fixture(scope="module")
def put_back(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[sa.URL, sa.URL]]:
    """A server's database, and the same put back to what it was before all that was done since."""
    folder = tmp_path_factory.mktemp("backups")
    with ExitStack() as stack:
        now = stack.enter_context(EmbeddedPostgres(folder / "now", settings=SETTINGS))
        with connect(now.url()) as connection:
            connection.execute("CREATE TABLE run_metadata (thread_id text PRIMARY KEY)")
            connection.execute(
                "INSERT INTO run_metadata SELECT 'r' || n FROM generate_series(1,9) n"
            )
        before = EmbeddedPostgres(folder / "before", settings=SETTINGS)
        copy(now, before, is_standby=False)
        stack.enter_context(before)
        yield now.url(), before.url()


def there(url: sa.URL) -> set[str]:
    with connect(url) as connection:
        return {run for (run,) in connection.execute("SELECT thread_id FROM run_metadata")}


def next_number(url: sa.URL) -> int:
    with connect(url) as connection:
        (number,) = connection.execute("SELECT pg_current_xact_id()::text").fetchone() or ("0",)
    return int(number)


@pytest.mark.parametrize("since", [False, True], ids=["unknown", "another transaction's number"])
def test_a_database_put_back_from_a_backup_is_not_believed_to_have_committed(
    put_back: tuple[sa.URL, sa.URL], since: bool
) -> None:
    now, before = put_back
    run, other = ("r1", "r2") if since else ("r3", "r4")
    folder = MemoryFolder()
    for _number in range(100):
        next_number(now)
    with deleting(now, folder) as ours:
        ours.delete(run)
        ours.delete(other)
        xid = int(ours.ledger.read(2)["xid"])
    assert not {run, other} & there(now)
    with deleting(before, folder) as ours:
        # What others have done since it was put back: they have been given the same numbers.
        while since and next_number(before) < xid:
            pass
        ours.ledger.recover()
        assert {run, other} <= there(before)
        fate = fate_of(ours.database, str(xid))
        if since:
            assert fate is Fate.COMMITTED
            assert ours.says[other] == ours.put_back
        else:
            assert fate is Fate.UNKNOWN
            assert other not in ours.says
            assert ours.folder.names() == (RECORD, ROWS)


def test_half_a_file_that_a_predecessor_left_is_removed_under_the_lock(
    host: HostWriter, tmp_path: Path
) -> None:
    place = LocalPlace(tmp_path)
    place.write_marker("x")
    folder = place.folder("op")
    with deleting(host.url, folder) as ours:
        (run,) = host.add_runs(1)
        ours.ledger.recover()
        ours.delete(run)
        half = tmp_path / "op" / ".000002.sql.zst.abcd"
        half.write_bytes(b"rows")
        ours.is_leased = False
        with pytest.raises(LeaseLostError):
            ours.new_ledger().recover()
        assert half.exists()
        ours.is_leased = True
        ours.new_ledger().recover()
        assert not half.exists()
        assert folder.names() == ("000001.json", "000001.sql.zst")
