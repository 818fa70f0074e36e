"""Which runs have written lately, by whatever times the host keeps."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from langgraph.checkpoint.base.id import uuid6

from runmanager.conventions import Conventions
from runmanager.host.catalog import read_host
from runmanager.queries.run.activity import (
    _bounds,
    active_since,
    find_active,
    unseen_activity,
)
from tests.conftest import every_shape
from tests.readings import opened
from tests.roles import DELETER
from tests.tried import trying

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.hosts import HostWriter
    from tests.roles import Roles

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
SINCE = NOW - timedelta(minutes=5)
LATE, EARLY = NOW - timedelta(minutes=4), NOW - timedelta(minutes=6)


def as_uuid(version: int, moment: datetime) -> str:
    """A UUID of this time, as LangGraph (version 6) makes them."""
    tenths = (moment - datetime(1582, 10, 15, tzinfo=UTC)) // timedelta(microseconds=1) * 10
    number = (
        tenths >> 12 << 80 | (tenths & 0xFFF) << 64
        if version != 7
        else (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) << 80
    )
    return str(uuid.UUID(int=number | version << 76 | 0x8000 << 48 | 7))


def active(
    host: HostWriter, thread_ids: Sequence[str], since: datetime = SINCE, zone: str = "UTC"
) -> set[str]:
    with opened(host) as (connection, _host):
        conventions = Conventions(zone=ZoneInfo(zone))
        return find_active(connection, read_host(connection, conventions), thread_ids, since)


def add_checkpoint(host: HostWriter, run: str, ident: str, ts: str | None) -> None:
    document = "{}" if ts is None else f'{{"ts": "{ts}"}}'
    host.execute(
        "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES (%s, %s, %s)",
        run, ident, document,
    )  # fmt: skip


@every_shape
def test_a_late_log_line_or_checkpoint_makes_a_run_active_and_earlier_ones_do_not(
    host: HostWriter,
) -> None:
    by_log, by_checkpoint, early, none, other, orphan = host.new_ids(6)
    for run in (by_log, by_checkpoint, early, none, other):
        host.add_run(run)
        host.add_traces(run)
    if host.shape.is_minimal:
        assert active(host, [by_log]) == set()
        return
    line = f"INSERT INTO {host.shape.logs} (thread_id, created_at) VALUES (%s, %s)"  # noqa: S608
    host.execute(line, by_log, LATE)
    host.execute(line, early, EARLY)
    host.execute(line, other, LATE)
    add_checkpoint(host, by_checkpoint, "a", LATE.isoformat())
    add_checkpoint(host, early, "b", EARLY.isoformat())
    add_checkpoint(host, orphan, "c", LATE.isoformat())
    asked = [by_log, by_checkpoint, early, none, orphan]
    assert active(host, asked) == {by_log, by_checkpoint, orphan}
    assert active(host, []) == set()
    with opened(host) as (_connection, read):
        assert unseen_activity(read) == ()


LATE_TEXTS = (
    LATE.isoformat(), "2026-11-26T11:56:00Z", "2026-11-26 11:56:00", " 20261126T115600Z",
    "2026-11-27T11:56:00+23:59", "2026-11-25T12:30:00-23:59", "2026-11-26t11:55:00z",
    "9999-12-31T23:59:59-12:00",
)  # fmt: skip
EARLY_TEXTS = (
    EARLY.isoformat(), "2026-11-26T11:54:59.999999Z", "2026-11-26T12:54:00+01:00", "2026-11-26",
    "", "never", "1764158160", "Thu, 26 Nov 2026 11:56:00 GMT", "9999", "2026-13-45T99:99:99",
    "\\u00e4", "\\\\u0000", "2026-11-26T11:56:00+99:99",
)  # fmt: skip


@pytest.mark.parametrize("kind", ["jsonb", "json"])
def test_a_checkpoint_s_time_is_read_in_any_zone_and_what_is_none_raises_nothing(
    host: HostWriter, kind: str
) -> None:
    host.execute("ALTER TABLE checkpoints ALTER metadata DROP DEFAULT")
    host.execute(f"ALTER TABLE checkpoints ALTER checkpoint TYPE {kind} USING checkpoint::{kind}")
    host.execute("ALTER TABLE checkpoints ALTER metadata DROP NOT NULL")
    odd = host.new_ids(4)
    documents = ["[1]", '"2026-11-26T11:56:00Z"', '{"ts": {"a": 1}}', '{"ts": null}']
    for run, document in zip(odd, documents, strict=True):
        host.execute(
            "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES (%s, '1', %s)",
            run,
            document,
        )
    for ident in ("c", as_uuid(4, NOW), as_uuid(1, NOW)):
        late, early = host.new_ids(len(LATE_TEXTS)), host.new_ids(len(EARLY_TEXTS))
        for run, text in zip(late + early, LATE_TEXTS + EARLY_TEXTS, strict=True):
            add_checkpoint(host, run, ident, text)
        with trying(ident):
            assert active(host, late + early + odd) == set(late)


def test_an_id_that_has_its_time_is_enough(host: HostWriter) -> None:
    late, early = host.new_ids(3), host.new_ids(3)
    for runs, moment in ((late, LATE), (early, EARLY)):
        for run, ident in zip(
            runs, [as_uuid(6, moment), as_uuid(7, moment), as_uuid(6, moment).upper()], strict=True
        ):
            # The JSON of such a one is not even read.
            add_checkpoint(host, run, ident, "2026-11-26T00:00:00Z")
    assert active(host, late + early) == set(late)


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.timedeltas(timedelta(days=-900), timedelta(days=900)),
)
@example(NOW, timedelta())
def test_the_order_of_such_ids_is_that_of_their_times(since: datetime, later: timedelta) -> None:
    for version, bound in _bounds(since):
        later -= timedelta(microseconds=later.microseconds % 1000)
        whole = since - timedelta(microseconds=since.microsecond % 1000)
        exact = since if version == 6 else whole
        assert (as_uuid(version, exact + later) >= bound) == (later >= timedelta())


def test_langgraph_s_own_ids_have_the_time_at_which_they_are_made(host: HostWriter) -> None:
    (run,) = host.new_ids(1)
    add_checkpoint(host, run, str(uuid6(clock_seq=-2)), None)
    now = datetime.now(UTC)
    assert active(host, [run], now - timedelta(minutes=1)) == {run}
    assert active(host, [run], now + timedelta(seconds=1)) == set()


TYPES = {
    "timestamptz": ("2026-11-26 11:56+00", "2026-11-26 11:54+00"),
    "timestamp": ("2026-11-26 12:56", "2026-11-26 12:54"),
    "text": ("2026-11-26T11:56:00Z", "2026-11-26T11:54:00Z"),
    "varchar(40)": ("2026-11-26 12:56", "2026-11-26 12:54"),
    "double precision": (f"{LATE.timestamp()}", f"{EARLY.timestamp()}"),
    "bigint": (f"{LATE.timestamp() * 1000:.0f}", f"{EARLY.timestamp() * 1000:.0f}"),
    "integer": (f"{LATE.timestamp():.0f}", f"{EARLY.timestamp():.0f}"),
    "numeric": (f"{LATE.timestamp() * 10**9:.0f}", "NaN"),
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", ["created_at", "ts"])
def test_a_log_line_s_time_may_be_of_any_type_and_without_a_zone_is_the_host_s(
    host: HostWriter, kind: str, name: str
) -> None:
    host.execute(f"ALTER TABLE logs DROP created_at, ADD {name} {kind}")
    late, early, none = host.new_ids(3)
    for run, value in zip((late, early, none), (*TYPES[kind], None), strict=True):
        host.execute(f"INSERT INTO logs (thread_id, {name}) VALUES (%s, %s)", run, value)  # noqa: S608
    assert active(host, [late, early, none], zone="Europe/Berlin") == {late}


@pytest.mark.parametrize("change", ["DROP created_at", "ALTER created_at TYPE date"])
def test_a_log_that_tells_no_time_is_named(host: HostWriter, change: str) -> None:
    run = host.add_runs(1)
    host.execute(f"ALTER TABLE logs {change}")
    assert active(host, run) == set()
    with opened(host) as (_connection, read):
        (sentence,) = unseen_activity(read)
    assert "“logs” was written cannot be told" in sentence


def test_savers_of_other_shapes_are_read_by_what_they_have(host: HostWriter) -> None:
    late, early = host.new_ids(2)

    def made(columns: str, *values: str) -> None:
        host.execute("DROP TABLE checkpoints")
        host.execute(f"CREATE TABLE checkpoints (thread_id text, {columns})")
        for run, one in zip((late, early), values, strict=True):
            host.execute(f"INSERT INTO checkpoints VALUES (%s, {one})", run)  # noqa: S608

    made("checkpoint jsonb", f'\'{{"ts": "{LATE}"}}\'', f'\'{{"ts": "{EARLY}"}}\'')
    assert active(host, [late, early]) == {late}
    made("thread_ts timestamptz, checkpoint bytea", f"'{LATE}', ''", f"'{EARLY}', ''")
    assert active(host, [late, early]) == {late}
    made("thread_ts text, checkpoint bytea", f"'{LATE}', ''", f"'{EARLY}', ''")
    assert active(host, [late, early]) == {late}
    ids = as_uuid(6, LATE), as_uuid(6, EARLY)
    made("checkpoint_id uuid", f"'{ids[0]}'", f"'{ids[1]}'")
    assert active(host, [late, early]) == {late}
    made("checkpoint bytea", "''", "''")
    assert active(host, [late, early]) == set()
    with opened(host) as (_connection, read):
        (sentence,) = unseen_activity(read)
    assert "“checkpoints”" in sentence


def test_a_view_of_logs_is_looked_at_as_the_table_is(host: HostWriter) -> None:
    host.execute("ALTER TABLE logs RENAME TO lines")
    host.execute("CREATE VIEW logs AS SELECT thread_id, created_at AS logged_at FROM lines")
    late, early = host.new_ids(2)
    host.execute("INSERT INTO logs VALUES (%s, %s), (%s, %s)", late, LATE, early, EARLY)
    assert active(host, [late, early]) == {late}


def test_what_may_not_be_read_is_named(host: HostWriter, roles: Roles) -> None:
    host.execute("CREATE TABLE other (id int)")
    role = roles.of_the_page(DELETER)
    host.execute(f"REVOKE SELECT ON logs FROM {role}")  # noqa: S608
    run = host.add_run()
    host.execute("INSERT INTO logs (thread_id, created_at) VALUES (%s, %s)", run, LATE)
    with opened(host, roles.url(role)) as (connection, read):
        assert find_active(connection, read, [run], SINCE) == set()
        (sentence,) = unseen_activity(read)
    assert sentence.startswith("What is active by “logs” is not seen. ")
    assert f"GRANT SELECT ON public.logs TO {role};" in sentence


def test_the_moment_is_the_database_s(host: HostWriter) -> None:
    with opened(host) as (connection, _host):
        since = active_since(connection, 0.5)
        assert abs(datetime.now(UTC) - since - timedelta(seconds=30)) < timedelta(seconds=20)
