"""The runs that are selected, on whichever page of the list they are, shown there or not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pages.parts import session

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable


@dataclass
class _Selection:
    """The ids, in the order in which they were selected.

    ``frozen_at`` is when all runs of a filter were selected at once, None where none were;
    ``is_complete`` says that those were all that matched.
    """

    ids: dict[str, None] = field(default_factory=dict)
    frozen_at: datetime | None = None
    is_complete: bool = True


def chosen() -> Collection[str]:
    """The ids of the selected runs, in the order in which they were selected."""
    return session.slot(_Selection).ids.keys()


def count() -> int:
    """How many runs are selected."""
    return len(session.slot(_Selection).ids)


def frozen_at() -> datetime | None:
    """When all runs of a filter were selected at once; None where it was one by one."""
    return session.slot(_Selection).frozen_at


def is_complete() -> bool:
    """Whether all runs of the filter were selected then; there may have been too many."""
    return session.slot(_Selection).is_complete


def add(thread_ids: Iterable[str]) -> None:
    """Select these too."""
    held = session.slot(_Selection)
    held.ids = held.ids | dict.fromkeys(thread_ids)


def freeze(thread_ids: Iterable[str], *, is_complete: bool) -> None:
    """Make these the whole selection: all runs of a filter, or the newest, as they are now."""
    held = session.slot(_Selection)
    held.ids, held.frozen_at = dict.fromkeys(thread_ids), datetime.now(UTC)
    held.is_complete = is_complete


def remove(thread_ids: Container[str]) -> None:
    """Select these runs no longer."""
    held = session.slot(_Selection)
    _keep(held, {one: None for one in held.ids if one not in thread_ids})


def clear() -> None:
    """Select nothing, on any page."""
    _keep(session.slot(_Selection), {})


def follow_ticks(shown: Iterable[str], ticked: Container[str]) -> None:
    """Select, of the runs that are ``shown``, exactly those that are ``ticked``."""
    held = session.slot(_Selection)
    for thread_id in shown:
        if thread_id in ticked:
            held.ids.setdefault(thread_id)
        else:
            held.ids.pop(thread_id, None)
    _keep(held, held.ids)


def _keep(held: _Selection, ids: dict[str, None]) -> None:
    """Let ``ids`` be what is left; what is selected after none was is not as of then any more."""
    held.ids = ids
    if not ids:
        held.frozen_at = None
