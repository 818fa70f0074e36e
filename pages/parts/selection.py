"""The runs that are selected: those that were ticked, on whichever page, or all of a filter.

All that match are kept as ids where they are few enough; else as the filter, the moment, and what
was unticked since, and the deletion finds them by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pages.parts import session, text
from runmanager.paging import Exactness, Total

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable

    from runmanager.filters import RunFilter
    from runmanager.records import Receipt, RunSummary


@dataclass(frozen=True)
class Matching:
    """All runs of a filter that had started by ``until``, about ``total`` of them.

    ``asked`` is the filter as the list has it, ``run_filter`` what it meant at that moment.
    """

    asked: RunFilter
    run_filter: RunFilter
    until: datetime
    total: Total


@dataclass
class _Selection:
    """The ids, in the order in which they were selected.

    ``frozen_at`` is when all runs of a filter were selected at once, None where none were. Where
    ``matching`` is set, those are selected but for ``excepted``, and there are no ids; ``members``
    are those among them that the page shows. ``handed_over_to`` is the operation to which such a
    selection was given last.
    """

    ids: dict[str, None] = field(default_factory=dict)
    frozen_at: datetime | None = None
    matching: Matching | None = None
    excepted: dict[str, None] = field(default_factory=dict)
    members: frozenset[str] = frozenset()
    handed_over_to: str = ""


def chosen() -> Collection[str]:
    """The ids of the runs that are selected one by one, in the order in which they were."""
    return session.slot(_Selection).ids.keys()


def matching() -> Matching | None:
    """All runs of a filter, where those are selected without their ids."""
    return session.slot(_Selection).matching


def excepted() -> tuple[str, ...]:
    """The ids of those among them that are not selected."""
    return tuple(session.slot(_Selection).excepted)


def count() -> int:
    """How many runs are selected, as far as that is known."""
    held = session.slot(_Selection)
    if held.matching is None:
        return len(held.ids)
    return max(1, held.matching.total.count - len(held.excepted))


def count_in_words() -> str:
    """Such as "12,408" and "about 2.6 M"."""
    held = session.slot(_Selection)
    exactness = Exactness.EXACT if held.matching is None else held.matching.total.exactness
    return text.total(Total(count(), exactness))


def frozen_at() -> datetime | None:
    """When all runs of a filter were selected at once; None where it was one by one."""
    return session.slot(_Selection).frozen_at


def among(runs: Iterable[RunSummary], strangers: Container[str] = ()) -> frozenset[str]:
    """The ids of these runs of the list that are selected.

    ``strangers`` are those that do not match the filter of which all are selected.
    """
    held = session.slot(_Selection)
    if held.matching is None:
        return frozenset(run.thread_id for run in runs if run.thread_id in held.ids)
    until = held.matching.until
    held.members = frozenset(
        run.thread_id
        for run in runs
        if run.thread_id not in strangers and (run.created_at is None or run.created_at <= until)
    )
    return held.members - held.excepted.keys()


def add(thread_ids: Iterable[str]) -> None:
    """Select these too."""
    held = session.slot(_Selection)
    if held.matching is None:
        held.ids = held.ids | dict.fromkeys(thread_ids)
    else:
        held.excepted = {one: None for one in held.excepted if one not in set(thread_ids)}


def freeze(thread_ids: Iterable[str]) -> None:
    """Make these the whole selection: all runs of a filter, as they are now."""
    clear()
    held = session.slot(_Selection)
    held.ids, held.frozen_at = dict.fromkeys(thread_ids), datetime.now(UTC)


def select_matching(run_filter: RunFilter, total: Total) -> None:
    """Make all runs of a filter that have started by now the whole selection."""
    clear()
    held, now = session.slot(_Selection), datetime.now(UTC)
    held.matching = Matching(run_filter, run_filter.at(now), now, total)
    held.frozen_at = now


def remove(thread_ids: Collection[str]) -> None:
    """Select these runs no longer."""
    held = session.slot(_Selection)
    if held.matching is None:
        _keep(held, {one: None for one in held.ids if one not in thread_ids})
    else:
        held.excepted = held.excepted | dict.fromkeys(thread_ids)


def hand_over(operation_id: str) -> None:
    """Leave all that match to an operation, which alone knows which they are."""
    clear()
    session.slot(_Selection).handed_over_to = operation_id


def settle(receipt: Receipt) -> None:
    """Select no longer what an operation has taken away; what failed can be tried again."""
    held = session.slot(_Selection)
    failed = [run.thread_id for run in receipt.failed]
    if held.matching is None and held.ids:
        remove({run.thread_id for run in receipt.done}.difference(failed))
    elif (
        held.matching is None
        and receipt.operation_id
        and receipt.operation_id == held.handed_over_to
    ):
        add(failed)


def clear() -> None:
    """Select nothing, on any page."""
    held = session.slot(_Selection)
    held.matching, held.excepted, held.members = None, {}, frozenset()
    _keep(held, {})


def follow_ticks(shown: Iterable[str], ticked: Container[str]) -> bool:
    """Select, of the runs that are ``shown``, exactly those that are ``ticked``.

    False where one of them cannot be: where all of a filter are, nothing else is beside it.
    """
    held = session.slot(_Selection)
    if held.matching is not None:
        return _follow_exceptions(held, shown, ticked)
    for thread_id in shown:
        if thread_id in ticked:
            held.ids.setdefault(thread_id)
        else:
            held.ids.pop(thread_id, None)
    _keep(held, held.ids)
    return True


def _follow_exceptions(held: _Selection, shown: Iterable[str], ticked: Container[str]) -> bool:
    is_possible = True
    for thread_id in shown:
        if thread_id not in held.members:
            is_possible = is_possible and thread_id not in ticked
        elif thread_id in ticked:
            held.excepted.pop(thread_id, None)
        else:
            held.excepted.setdefault(thread_id)
    return is_possible


def _keep(held: _Selection, ids: dict[str, None]) -> None:
    """Let ``ids`` be what is left; what is selected after none was is not as of then any more."""
    held.ids = ids
    if not ids:
        held.frozen_at = None
