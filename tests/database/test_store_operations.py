"""Operations in the store: plans, leases, pages of many, and what is due, on both databases."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from runmanager.errors import LeaseLostError
from runmanager.records import Actor, OperationState
from runmanager.store import leases, operations, plans
from runmanager.store.leases import Lease, Wish
from runmanager.store.migrating import VERSION_TABLE
from runmanager.store.operations import NewOperation, StoredOperation, write_json
from runmanager.store.tables import FILES, OPERATIONS
from tests.conftest import every_store
from tests.engines import ADA
from tests.stores import note, noted

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.store import Store
    from tests.stores import StorePlace

STATES = OperationState
WISH = Wish(["counting"])


def add(
    store: Store, operation_id: str, state: OperationState = STATES.QUEUED, **spec: Any
) -> StoredOperation:
    """Write one down, in a transaction of its own."""
    kind = spec.pop("kind", "counting")
    with store.write() as connection:
        new = NewOperation(operation_id, kind, ADA, "page", spec, spec.pop("parent", None))
        operations.insert(connection, new, state)
    return get(store, operation_id)


def get(store: Store, operation_id: str) -> StoredOperation:
    """How it stands."""
    with store.read() as connection:
        found = operations.find(connection, operation_id)
    assert found is not None
    return found


def put(store: Store, operation_id: str, **columns: Any) -> None:
    """Write columns of one, as time or another instance would have."""
    with store.write() as connection:
        operations.change(connection, operation_id, **columns)


def claim(store: Store, owner: str = "one", wish: Wish = WISH) -> Lease | None:
    """Take up what waits."""
    with store.write() as connection:
        claimed = leases.claim(connection, wish, owner, 15)
    return None if claimed is None else Lease(claimed[0].operation_id, owner, claimed[0].epoch)


def claimed(store: Store, owner: str = "one") -> Lease:
    """Take up what there is."""
    lease = claim(store, owner)
    assert lease is not None
    return lease


def lapse(store: Store, *operation_ids: str) -> None:
    """Let leases be over."""
    for one in operation_ids:
        with store.read() as connection:
            past = operations.now(connection) - 1
        put(store, one, lease_until=past)


def is_held(store: Store, lease: Lease) -> bool:
    """Whether it is still its owner's."""
    with store.read() as connection:
        return leases.is_held(connection, lease)


@every_store
def test_what_was_written_down_is_read_back(store: Store) -> None:
    hostile = "ключ 🚀 'quoted' \n %s {0} <b> \0 \ud800"
    spec = {"sentence": hostile, "reason": hostile, "total": 7, "ids": ["a", None, 1.5, True]}
    with store.write() as connection:
        new = NewOperation("a", "counting", Actor("1", "ада"), "api", spec, "parent")
        operations.insert(connection, new, STATES.QUEUED)
        before = operations.now(connection)
    found = get(store, "a")
    assert (found.kind, found.actor, found.origin) == ("counting", Actor("1", "ада"), "api")
    assert (found.parent, found.total, found.done, found.failed) == ("parent", 7, 0, 0)
    assert found.sentence == found.reason == "ключ 🚀 'quoted' \n %s {0} <b> � ?"
    assert before - 5 < found.created_at <= before
    with store.read() as connection:
        assert operations.find_spec(connection, "a") == spec
        assert operations.find(connection, "b") is None
        assert operations.find_spec(connection, "b") is None


@every_store
def test_only_what_json_says_is_written_down(store: Store) -> None:
    for value in (object(), b"bytes", {1}, float("nan")):
        with pytest.raises((TypeError, ValueError)):
            add(store, "a", value=value)
    with store.read() as connection:
        assert operations.find(connection, "a") is None


@every_store
def test_what_somebody_else_planted_is_never_loaded(store: Store) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
            return pytest.fail, ("it was loaded",)

    planted = pickle.dumps(Trap(), protocol=0).decode("latin-1")
    for text in (planted, "[1]", "{", "[" * 100_000, '"a"'):
        add(store, "a")
        put(store, "a", spec=text, summary=text)
        assert get(store, "a").summary == {}
        with store.write() as connection:
            taken = leases.claim(connection, WISH, "one", 15)
            assert taken is not None
            assert taken[1] is None
            connection.execute(sa.delete(OPERATIONS))


# Plans -------------------------------------------------------------------------------------------


def start(store: Store, operation_id: str) -> bool:
    """Start a plan."""
    with store.write() as connection:
        return plans.start(connection, operation_id, {"total": 2, "reason": "asked"}, "api")


@every_store
def test_a_plan_is_started_once_whoever_tries(store: Store) -> None:
    add(store, "a", STATES.PLANNED, total=1)
    assert claim(store) is None
    with ThreadPoolExecutor(8) as threads:
        started = list(threads.map(lambda _: start(store, "a"), range(16)))
    assert started.count(True) == 1
    found = get(store, "a")
    assert (found.state, found.total, found.reason) == (STATES.QUEUED, 2, "asked")
    assert found.origin == "api"
    assert claim(store) is not None


@every_store
def test_a_plan_is_good_for_an_hour_and_then_known_for_a_week(store: Store) -> None:
    add(store, "fresh", STATES.PLANNED)
    created_at = add(store, "old", STATES.PLANNED, sentence="every run").created_at
    add(store, "queued")
    for one in ("old", "queued"):
        put(store, one, created_at=created_at - plans.PLAN_SECONDS - 1)
    assert not start(store, "old")
    with store.write() as connection:
        # Until somebody says that its files are gone.
        for _ in range(2):
            assert plans.old(connection) == ("old",)
        plans.expire(connection, ["old", "fresh"][:1])
        assert plans.old(connection) == ()
    assert get(store, "old").is_expired
    assert not start(store, "old")
    put(store, "old", created_at=created_at - 8 * 86400)
    with store.write() as connection:
        plans.expire(connection, [])
        assert operations.find(connection, "old") is None
    assert not get(store, "fresh").is_expired
    assert start(store, "fresh")
    assert get(store, "queued").state is STATES.QUEUED


# Leases ------------------------------------------------------------------------------------------


@every_store
def test_the_oldest_is_claimed_first_and_two_at_once(store: Store) -> None:
    created_at = add(store, "c").created_at
    for number, one in enumerate("ba", 1):
        add(store, one)
        put(store, one, created_at=created_at + number)
    assert [lease.operation_id for lease in (claimed(store), claimed(store, "two"))] == ["c", "b"]
    assert claim(store, "three") is None
    with store.read() as connection:
        assert leases.count_at_work(connection) == 2
        assert not leases.is_any(connection, WISH)
    put(store, "b", state="finished")
    with store.read() as connection:
        assert leases.is_any(connection, WISH)
    assert claimed(store).operation_id == "a"


@every_store
def test_claiming_starts_it_and_says_by_whom(store: Store) -> None:
    add(store, "a")
    lease = claimed(store)
    found = get(store, "a")
    assert (found.state, found.owner, found.epoch) == (STATES.RUNNING, "one", 1)
    assert (found.interruptions, found.epoch) == (0, lease.epoch)
    assert found.started_at is not None
    assert is_held(store, lease)


@every_store
def test_who_claims_at_once_gets_each_once_and_never_more_than_two(store: Store) -> None:
    for number in range(30):
        add(store, str(number))
    gone: list[str] = []

    def work(owner: str) -> None:
        while len(gone) < 30:
            lease = claim(store, owner)
            if lease is None:
                continue
            with store.write() as connection:
                assert leases.count_at_work(connection) <= 2
                leases.finish(connection, lease, done=1, failed=0, summary={})
            gone.append(lease.operation_id)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, ["one", "two", "three", "four"]))
    assert sorted(gone) == sorted(map(str, range(30)))


@every_store
def test_kinds_that_are_not_known_and_those_at_work_here_are_left(store: Store) -> None:
    add(store, "a", kind="of a newer version")
    add(store, "b")
    assert claim(store, wish=Wish(["counting"], but=["b"])) is None
    assert claim(store, wish=Wish([])) is None
    assert claimed(store).operation_id == "b"


@every_store
def test_what_is_to_be_stopped_is_claimed_however_many_are_at_work(store: Store) -> None:
    for one in "abcd":
        add(store, one)
    assert claim(store)
    assert claim(store)
    put(store, "d", wanted="stop")
    assert claim(store, wish=Wish(["counting"], only_stopped=True)) == Lease("d", "one", 1)
    assert claim(store) is None


@every_store
def test_a_lease_that_lapsed_is_shown_as_interrupted_and_taken_over(store: Store) -> None:
    add(store, "a")
    before = claimed(store)
    started_at = get(store, "a").started_at
    lapse(store, "a")
    assert get(store, "a").state is STATES.INTERRUPTED
    assert not is_held(store, before)
    after = claimed(store, "two")
    found = get(store, "a")
    assert (found.state, found.owner, found.epoch) == (STATES.RUNNING, "two", 2)
    assert (found.interruptions, found.started_at) == (1, started_at)
    assert is_held(store, after)


@every_store
def test_who_lost_the_lease_writes_nothing_any_more(store: Store) -> None:
    add(store, "a")
    lost = claimed(store)
    lapse(store, "a")
    # The same instance's, even.
    claimed(store)
    before = get(store, "a")
    writes: list[Callable[[sa.Connection], object]] = [
        lambda connection: leases.renew(connection, lost, 15, 1, 1),
        lambda connection: leases.finish(connection, lost, done=1, failed=1, summary={}),
        lambda connection: leases.pause(connection, lost, "message"),
        lambda connection: leases.let_go(connection, lost),
        lambda connection: leases.interrupt(connection, lost),
    ]
    for write in writes:
        with pytest.raises(LeaseLostError), store.write() as connection:
            write(connection)
    with store.write() as connection:
        leases.tell(connection, lost, 1, 1)
    assert get(store, "a") == before


@every_store
def test_renewing_holds_it_says_how_far_it_is_and_hears_what_is_wanted(store: Store) -> None:
    add(store, "a")
    lease = claimed(store)
    lapse(store, "a")
    with store.write() as connection:
        assert leases.renew(connection, lease, 15, 3, 1) is None
    assert is_held(store, lease)
    found = get(store, "a")
    assert (found.state, found.done, found.failed) == (STATES.RUNNING, 3, 1)
    put(store, "a", wanted="pause")
    with store.write() as connection:
        assert leases.renew(connection, lease, 15, 3, 1) == "pause"


@every_store
def test_how_it_ended_is_written_once(store: Store) -> None:
    add(store, "a")
    lease = claimed(store)
    put(store, "a", wanted="stop")
    with store.write() as connection:
        until = operations.now(connection) + 60
        leases.finish(
            connection, lease, done=5, failed=2, summary={"was_stopped": True},
            archive_bytes=1 << 40, archive_until=until,
        )  # fmt: skip
        assert operations.archived(connection) == (1, 1 << 40)
    found = get(store, "a")
    assert (found.state, found.done, found.failed, found.wanted) == (STATES.FINISHED, 5, 2, None)
    assert (found.summary, found.archive_until) == ({"was_stopped": True}, until)
    assert found.ended_at is not None
    assert claim(store) is None


@every_store
@pytest.mark.parametrize(
    ("wanted", "state", "left"),
    [("pause", STATES.PAUSED, None), ("stop", STATES.QUEUED, "stop"), (None, STATES.QUEUED, None)],
)
def test_what_is_let_go_is_as_it_was_wanted(
    store: Store, wanted: str | None, state: OperationState, left: str | None
) -> None:
    add(store, "a")
    lease = claimed(store)
    put(store, "a", wanted=wanted)
    with store.write() as connection:
        leases.let_go(connection, lease)
    found = get(store, "a")
    assert (found.state, found.wanted, found.owner) == (state, left, None)
    assert (claim(store) is None) == (state is STATES.PAUSED)


@every_store
def test_what_was_interrupted_waits_for_as_long_as_was_said(store: Store) -> None:
    add(store, "a")
    with store.write() as connection:
        claim_ = leases.claim(connection, WISH, "one", 15)
        assert claim_ is not None
        leases.interrupt(
            connection, Lease("a", "one", 1), message="away\0", wait_seconds=60, retries=3
        )
    found = get(store, "a")
    assert (found.state, found.message, found.retries) == (STATES.INTERRUPTED, "away�", 3)
    assert claim(store) is None
    lapse(store, "a")
    assert claim(store) is not None
    found = get(store, "a")
    assert (found.message, found.retries, found.interruptions) == (None, 3, 1)


# Pages of many -----------------------------------------------------------------------------------


def ids(store: Store, **which: Any) -> list[str]:
    """The operations of a page of 50."""
    with store.read() as connection:
        found = operations.page(connection, offset=0, size=50, **which)
        assert operations.count(connection, **which) == len(found)
    return [one.operation_id for one in found]


@every_store
def test_pages_are_newest_first_and_of_the_states_that_are_shown(store: Store) -> None:
    created_at = add(store, "running").created_at
    assert claim(store)
    add(store, "lapsed")
    assert claim(store)
    lapse(store, "lapsed")
    states = (STATES.QUEUED, STATES.PAUSED, STATES.INTERRUPTED, STATES.FINISHED, STATES.PLANNED)
    for number, state in enumerate(states):
        add(store, state.value, state, parent="running")
        put(store, state.value, created_at=created_at + 10 + number)
    put(store, "running", created_at=created_at)
    put(store, "lapsed", created_at=created_at)
    assert ids(store) == ["finished", "interrupted", "paused", "queued", "running", "lapsed"]
    assert ids(store, states=[STATES.RUNNING]) == ["running"]
    assert ids(store, states=[STATES.INTERRUPTED]) == ["interrupted", "lapsed"]
    assert ids(store, states=[STATES.PLANNED, STATES.RUNNING]) == ["planned", "running"]
    assert ids(store, states=[]) == []
    assert ids(store, parent="running") == ["finished", "interrupted", "paused", "queued"]
    with store.read() as connection:
        second = operations.page(connection, offset=2, size=2)
    assert [one.operation_id for one in second] == ["paused", "queued"]


@every_store
def test_pages_are_of_an_admin_and_of_kinds_whose_names_are_matched_whole(store: Store) -> None:
    for one, (name, kind) in enumerate([("ada", "a"), ("ada", "b"), ("Ada", "a"), ("a%", "b")]):
        add(store, str(one), kind=kind)
        put(store, str(one), actor_name=name, created_at=float(one))
    add(store, "planned", STATES.PLANNED)
    put(store, "planned", actor_name="planner")
    assert ids(store, admin="ada") == ["1", "0"]
    assert ids(store, admin="ada", kinds=["a"], states=[STATES.QUEUED]) == ["0"]
    assert ids(store, admin="ada", states=[STATES.PAUSED]) == []
    assert ids(store, admin="a%") == ["3"]
    assert ids(store, admin="a") == ids(store, admin="planner") == ids(store, admin="\0") == []
    with store.read() as connection:
        assert operations.admins(connection) == ("Ada", "a%", "ada")


WIDE = write_json({"filter": "x" * 1500})
NARROWED: list[dict[str, Any]] = [
    {},
    {"admin": "ada"},
    {"admin": "ada", "kinds": ["counting"], "states": [STATES.QUEUED]},
    {"kinds": ["counting"]},
    {"kinds": ["counting"], "states": [STATES.QUEUED]},
]


@every_store
@pytest.mark.parametrize("which", NARROWED, ids=lambda which: "-".join(which) or "all")
def test_a_list_of_many_is_read_by_its_index(store: Store, which: dict[str, Any]) -> None:
    with store.write() as connection:
        operations.insert(connection, NewOperation("0", "counting", ADA, "page", {}), STATES.QUEUED)
        row = connection.execute(sa.select(OPERATIONS)).one()._asdict()
        rows = [
            row
            | {"id": str(one), "created_at": float(one), "spec": WIDE if which else "{}"}
            # Most are of others, so that it pays to go by an index.
            | ({"actor_name": "grace", "kind": "other", "state": "paused"} if one % 10 else {})
            for one in range(1, 10_000)
        ]
        connection.execute(sa.insert(OPERATIONS), rows)
    if store._kept.engine.dialect.name != "sqlite":
        with store._kept.engine.connect().execution_options(
            isolation_level="AUTOCOMMIT"
        ) as connection:
            connection.execute(sa.text("VACUUM ANALYZE operations"))
    statements: list[tuple[str, Any]] = []
    sa.event.listen(
        store._kept.engine,
        "before_cursor_execute",
        lambda *given: statements.append((given[2], given[3])),
    )
    with store.read() as connection:
        number = operations.count(connection, **which)
        assert number == (1_000 if which else 10_000)
        assert len(operations.page(connection, offset=number * 9 // 10, size=50, **which)) == 50
        asked = [one for one in statements if "FROM operations" in one[0]]
        explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
        steps = [
            str(step)
            for statement, values in asked
            for step in connection.exec_driver_sql(explain + statement, values)
        ]
    text = "\n".join(steps)
    assert len(asked) == 3
    assert "TEMP B-TREE" not in text
    if which and store._kept.engine.dialect.name != "sqlite":
        # PostgreSQL knows how many there are, and may rather sort a few.
        assert "Seq Scan" not in text
        return
    assert "Sort" not in text
    assert text.count("COVERING INDEX operations_") == 2 or "Index Only Scan" in text
    assert all(OPERATIONS.c.spec.name not in statement for statement, _values in asked)


# What is due -------------------------------------------------------------------------------------


@every_store
def test_an_archive_is_due_when_its_time_is_over_and_purged_once(store: Store) -> None:
    with store.read() as connection:
        past = operations.now(connection) - 10
    for one, until in (("b", past), ("a", past - 5), ("later", past + 600), ("none", None)):
        add(store, one, STATES.FINISHED)
        put(store, one, archive_until=until, archive_bytes=10)
    add(store, "running")
    put(store, "running", archive_until=past)
    with store.write() as connection:
        assert operations.due_for_purge(connection) == ("a", "b")
        assert operations.archived(connection) == (4, 30)
        operations.mark_purged(connection, "a")
        assert operations.due_for_purge(connection) == ("b",)
        assert operations.archived(connection) == (3, 20)
    found = get(store, "a")
    assert (found.archive_until, found.archive_bytes) == (None, 0)
    assert found.purged_at is not None
    with store.write() as connection:
        operations.mark_purged(connection, "a")
    assert get(store, "a").purged_at == found.purged_at


@every_store
def test_a_store_of_the_version_before_gets_the_tables_and_keeps_what_it_has(
    store_place: StorePlace,
) -> None:
    store = store_place.open()
    note(store, "a")
    with store.write() as connection:
        OPERATIONS.drop(connection)
        FILES.drop(connection)
        version = sa.table(VERSION_TABLE, sa.column("version_num"))
        connection.execute(sa.update(version).values(version_num="0003"))
    store.close()
    store = store_place.open()
    assert add(store, "a").state is STATES.QUEUED
    assert noted(store, "a") == 1
    store.close()
