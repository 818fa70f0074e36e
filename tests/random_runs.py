"""Runs of a generated host, and which of them a filter means: by plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from runmanager.filters import KINDS, WITHOUT, RunFilter
from runmanager.records import Statuses
from runmanager.sorting import Sort, SortKey
from tests.hosts import LONG_AGO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.hosts import HostWriter

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
# As a host writes them, and what they are: few, so that most are shared by several runs.
TIMES: dict[str | None, datetime | None] = {
    None: None,
    "-infinity": FIRST,
    "0044-03-15 12:00+00 BC": FIRST,
    "2025-01-01 12:00+00": LONG_AGO,
    "2025-01-01 12:00:00.000001+00": LONG_AGO + timedelta(microseconds=1),
    "2025-01-02 12:00+00": LONG_AGO + timedelta(days=1),
    "2026-10-25 00:30+00": datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    "2026-10-25 01:30+00": datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
    "infinity": LAST,
}
# In the order in which PostgreSQL has them.
_PLACES = {text: place for place, text in enumerate(TIMES)}
STATUSES = (
    None, "", "completed", "Completed", "failed", "FAILED", " Error-", "running", "In Progress",
    "paused", "cancelled", "custom", "succeß", "Läuft", "\u212a",
)  # fmt: skip
# A host's own words for a run that is not over.
RUNNING_WORDS = frozenset({"läuft", "k"})
NAMES = (None, "", "  ", "Order 1", "order 1", "order 2", "50 % off", "Invoice", "ärger")
USERS = ("kate", "Kate", "tom", None)
SPACES = ("Ops", "Lab", None)
ERRORS = (None, "", "TimeoutError: 30 s", "timeout\nin step 3", "50 % of \\ is _", "KeyError")


@dataclass(frozen=True)
class Run:
    """One run of a generated host."""

    started: str | None
    ended: str | None
    name: str | None
    status: str | None
    user: str | None
    workspace: str | None
    error: str | None


@dataclass(frozen=True)
class Stored(Run):
    """The same in the host."""

    thread_id: str = ""


runs = st.lists(
    st.builds(
        Run,
        st.sampled_from(tuple(TIMES)),
        st.sampled_from(tuple(TIMES)),
        st.sampled_from(NAMES),
        st.sampled_from(STATUSES),
        st.sampled_from(USERS),
        st.sampled_from(SPACES),
        st.sampled_from(ERRORS),
    ),
    max_size=30,
)
# What Python has for the ends of time is a moment like any other to who asks for it.
_moments = st.none() | st.sampled_from([one for one in TIMES.values() if one and one.year > 1])
filters = st.builds(
    RunFilter,
    search=st.sampled_from(["", "", "", "order", "%"]),
    username=st.sampled_from([None, None, None, "kate", "nobody", WITHOUT]),
    workspace=st.sampled_from([None, None, None, "Ops", WITHOUT]),
    kind=st.just(()) | st.lists(st.sampled_from(KINDS), unique=True, max_size=3).map(tuple),
    status=st.just(())
    | st.lists(
        st.sampled_from([one for one in STATUSES if one is not None]), unique=True, max_size=3
    ).map(tuple),
    since=_moments,
    until=_moments,
    error=st.sampled_from(["", "", "", "TIMEOUT", "%", "\\", "_", "nothing"]),
    longer_than=st.sampled_from(
        [None, None, None, timedelta(microseconds=1), timedelta(hours=1), timedelta(days=900)]
    ),
)


def fill(host: HostWriter, made: Iterable[Run]) -> list[Stored]:
    """Make these the host's runs."""
    host.execute("TRUNCATE run_metadata")
    stored = [Stored(**vars(one), thread_id=host.new_id(host.shape.thread_id)) for one in made]
    with host.connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO run_metadata (thread_id, run_name, created_at, completed_at, status,"
            " user_id, workspace_id, error_message) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    one.thread_id,
                    one.name,
                    one.started,
                    one.ended,
                    one.status,
                    one.user and host.user(one.user),
                    one.workspace and host.workspace(one.workspace),
                    one.error,
                )
                for one in stored
            ],
        )
    return stored


def kind(run: Run) -> str:
    """What the run's status means, as it is filtered by."""
    return Statuses(RUNNING_WORDS).kind(run.status).shown


def taken(run: Run) -> timedelta | None:
    """How long the run took, None where nobody knows."""
    started, ended = TIMES[run.started], TIMES[run.ended]
    if ended is None and kind(run) == "running":
        ended = datetime.now(UTC)
    return None if started is None or ended is None else ended - started


def is_meant(run: Stored, run_filter: RunFilter) -> bool:
    """Whether the filter, with a workspace by its name, means the run."""
    return all(_FULFILS[key](run, value) for key, value in run_filter.chosen())


def _has_text(run: Stored, text: str) -> bool:
    return text in run.thread_id.lower() or text in (run.name or "").lower()


def _is_one(value: str | None, wanted: Any) -> bool:
    return value is None if wanted is WITHOUT else value == wanted


def _is_since(run: Run, moment: datetime) -> bool:
    started = TIMES[run.started]
    return started is not None and started >= moment


def _is_before(run: Run, moment: datetime) -> bool:
    started = TIMES[run.started]
    return started is not None and started < moment


def _took_longer(run: Run, length: timedelta) -> bool:
    took = taken(run)
    return took is not None and took > length


_FULFILS: dict[str, Any] = {
    "search": lambda run, text: _has_text(run, text.lower()),
    "username": lambda run, name: _is_one(run.user, name),
    "workspace": lambda run, name: _is_one(run.workspace, name),
    "kind": lambda run, kinds: kind(run) in kinds,
    "status": lambda run, words: run.status in words,
    "since": _is_since,
    "until": _is_before,
    "error": lambda run, text: text.lower() in (run.error or "").lower(),
    "longer_than": _took_longer,
}


def in_order(found: Iterable[Stored], sort: Sort) -> list[Stored]:
    """The runs in the order of the list: what is equal newest first, what is missing last."""
    # By id, then stably by time, each with the greatest first.
    ordered = sorted(found, key=lambda run: run.thread_id, reverse=True)
    ordered.sort(key=lambda run: _PLACES[run.started], reverse=True)
    if sort.key is SortKey.STARTED:
        return ordered if sort.is_descending else ordered[::-1]
    value = _VALUES[sort.key]
    known = [run for run in ordered if value(run) is not None]
    unknown = [run for run in ordered if value(run) is None]
    # Python keeps equal ones in their order when it sorts backwards, too.
    known.sort(key=value, reverse=sort.is_descending)
    return known + unknown


def _text(text: str | None) -> tuple[str, str] | None:
    return None if text is None else (text.lower(), text)


_VALUES: dict[SortKey, Any] = {
    SortKey.TOOK: taken,
    SortKey.NAME: lambda run: _text(run.name if run.name and run.name.strip() else None),
    SortKey.USER: lambda run: _text(run.user),
    SortKey.STATUS: lambda run: _text(run.status),
}
