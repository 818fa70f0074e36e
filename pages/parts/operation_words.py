"""What an operation is called, where it stands, and what came of it, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pages.parts import styles, text, times
from runmanager.records import OperationState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from runmanager.records import OperationView

WATCHING_SECONDS, RESTING_SECONDS = 0.5, 3.0
DOORS = {"page": "the page", "api": "the API"}
# What nobody needs to do anything about: it goes on, or begins, by itself.
_AT_WORK = {OperationState.QUEUED, OperationState.RUNNING, OperationState.INTERRUPTED}
_LOOKS = {
    OperationState.PLANNED: ("○", "other"),
    OperationState.QUEUED: ("○", "other"),
    OperationState.RUNNING: ("●", "running"),
    OperationState.PAUSED: ("‖", "paused"),
    OperationState.INTERRUPTED: ("!", "paused"),
    OperationState.FINISHED: ("✓", "completed"),
}


def is_at_work(view: OperationView) -> bool:
    """Whether it will look otherwise in a moment, with nobody doing anything."""
    return view.state in _AT_WORK


def pace(views: Collection[OperationView]) -> float | None:
    """After how many seconds to look at them again: seldom where somebody has to resume them."""
    if any(map(is_at_work, views)):
        return WATCHING_SECONDS
    return None if all(one.is_over for one in views) else RESTING_SECONDS


def runs(view: OperationView) -> str:
    """Such as "51 runs"; with the filter's sentence where it was one that took them."""
    counted = text.count(view.total, "run")
    return f"{counted}: {view.sentence}" if view.sentence else counted


def title(view: OperationView) -> str:
    """Such as "Deletion of 51 runs"."""
    return f"{view.kind.name.capitalize()} of {text.count(view.total, 'run')}"


def state(view: OperationView) -> str:
    """A sign and a word for where it stands."""
    if view.is_stopping:
        return f"● {'pausing' if view.wanted == 'pause' else 'stopping'}"
    if view.is_over and (view.failed or view.was_stopped):
        return f"✕ {'stopped' if view.was_stopped else 'finished'}"
    return sign_and_word(view.state)


def sign_and_word(of: OperationState) -> str:
    """Such as "● running"."""
    return f"{_LOOKS[of][0]} {of.value}"


def state_kind(view: OperationView) -> str:
    """Which of the statuses' looks that has."""
    return "failed" if view.is_over and view.failed else _LOOKS[view.state][1]


def state_colors(views: Iterable[OperationView]) -> dict[str, str]:
    """A tint for the word of each, in the viewer's theme."""
    is_dark = styles.is_dark()
    return {state(one): styles.LOOKS[state_kind(one)].tints[is_dark] for one in views}


def progress(view: OperationView) -> str:
    """Such as "100 of 250 runs, 2 failed"."""
    failed = f", {view.failed:,} failed" if view.failed else ""
    return f"{view.done:,} of {text.count(view.total, 'run')}{failed}"


def share(view: OperationView) -> float:
    """How much of it is done, from 0 to 1."""
    return min(1.0, (view.done + view.failed) / view.total) if view.total else 0.0


def waiting(view: OperationView) -> str:
    """Why it does not go on at this moment; "" where it does."""
    if view.is_stopping:
        what = "Pausing" if view.wanted == "pause" else "Stopping"
        return f"{what} after the present batch …"
    if view.state is OperationState.QUEUED:
        return "Waiting for its turn"
    if view.state is OperationState.INTERRUPTED:
        return "Interrupted: it goes on by itself"
    if view.state is OperationState.PAUSED:
        return f"Paused. {view.message}" if view.message else "Paused"
    return ""


def outcome(view: OperationView) -> str:
    """Such as "49 runs deleted, 2 failed, stopped, 3 rows came back"; "" before its end."""
    if not view.is_over:
        return ""
    failed = f", {view.failed:,} failed" if view.failed else ""
    stopped = ", stopped" if view.was_stopped else ""
    return f"{text.count(done(view), 'run')} {view.kind.done}{failed}{stopped}{_came_back(view)}"


def _came_back(view: OperationView) -> str:
    """What was there again after the last of it; also where nobody could look."""
    rows = view.summary.get("came_back", 0)
    if not isinstance(rows, int):
        return ", could not look again"
    return f", {text.count(rows, 'row')} came back" if rows else ""


def done(view: OperationView) -> int:
    """How many runs it was done to."""
    return view.receipt.done_count if view.receipt is not None else view.done


def archive(view: OperationView) -> str:
    """What is kept of it: its size and until when, when it was purged, or ""."""
    zone = times.viewer_zone()
    if view.purged_at is not None:
        return f"purged on {times.day(view.purged_at, zone)}"
    if view.archive_until is None:
        return ""
    return f"{text.size(view.archive_bytes)} until {times.day(view.archive_until, zone)}"


def took(view: OperationView) -> str:
    """How long it was, or has been, at work."""
    if view.started_at is None or not (view.is_over or view.state is OperationState.RUNNING):
        return ""
    end = view.ended_at or datetime.now(UTC)
    return text.duration(max(0.0, (end - view.started_at).total_seconds()))


def door(origin: str) -> str:
    """Where it was asked for, such as "the page"."""
    return DOORS.get(origin, origin)


def can_be_restored(view: OperationView) -> bool:
    """Whether there is a copy from which its runs can be put back."""
    return view.is_over and view.kind.removes_runs and view.archive_until is not None
