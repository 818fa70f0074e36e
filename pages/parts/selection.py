"""The runs that are selected, on whichever page of the list they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pages.parts import session

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from runmanager.records import RunSummary


@dataclass
class _Selection:
    runs: dict[str, RunSummary] = field(default_factory=dict)


def chosen() -> Mapping[str, RunSummary]:
    """The selected runs by their ids, in the order in which they were selected."""
    return session.slot(_Selection).runs


def replace(runs: Iterable[RunSummary]) -> None:
    """Make ``runs`` the whole selection."""
    session.slot(_Selection).runs = {run.thread_id: run for run in runs}


def add(runs: Iterable[RunSummary]) -> None:
    """Select ``runs`` too."""
    replace([*chosen().values(), *runs])


def remove(thread_ids: Container[str]) -> None:
    """Select these runs no longer."""
    replace(run for run in chosen().values() if run.thread_id not in thread_ids)


def clear() -> None:
    """Select nothing, on any page."""
    replace([])


def follow_ticks(shown: Iterable[RunSummary], ticked: Container[str]) -> None:
    """Select, of the runs that are ``shown``, exactly those that are ``ticked``."""
    runs = session.slot(_Selection).runs
    for run in shown:
        if run.thread_id in ticked:
            runs.setdefault(run.thread_id, run)
        else:
            runs.pop(run.thread_id, None)
