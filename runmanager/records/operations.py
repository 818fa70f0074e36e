"""What operations are: their kinds, where one stands, and how it is seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runmanager.records.people import Actor
    from runmanager.records.receipts import Receipt


@dataclass(frozen=True)
class OperationKind:
    """What an operation does to runs, in the words that are shown.

    With ``removes_runs`` a run that it was done to is no longer there to be selected or opened.
    """

    name: str
    doing: str
    done: str
    not_done: str
    removes_runs: bool


class Origin(Enum):
    """Where an operation was asked for."""

    PAGE = "page"
    API = "api"


class OperationState(Enum):
    """Where an operation is between its start and its receipt."""

    PLANNED = "planned"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"


@dataclass(frozen=True)
class OperationFilter:
    """Which operations are meant: by these states, kinds and the admin's name, () or None for any.

    Of everybody's, and of every state but plans, where nothing is set.
    """

    states: tuple[OperationState, ...] = ()
    kinds: tuple[str, ...] = ()
    admin: str | None = None


EVERY_OPERATION = OperationFilter()


@dataclass(frozen=True)
class KeptCopies:
    """What is kept of all operations together: of how many, and how big it is.

    ``uncounted`` have not finished: how big their copies will be is known at their end.
    """

    operations: int
    bytes: int
    uncounted: int


@dataclass(frozen=True)
class OperationView:
    """An operation as it stood when it was asked about; ``receipt`` is there once it finished.

    ``done`` counts the runs that it was done to by now, without those that failed; ``failed``
    counts those.
    ``sentence`` says which runs it is about; ``wanted`` is what somebody has asked of it since,
    "stop" or "pause"; ``message`` why it does not go on. ``parent`` is the operation that it
    restores or purges. ``summary`` is its kind's own, small, of JSON's types. ``archive_until`` is
    how long what it archived is kept, None where there is nothing (any more).
    """

    operation_id: str
    kind: OperationKind
    state: OperationState
    actor: Actor
    origin: str
    total: int
    done: int
    failed: int
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    sentence: str = ""
    reason: str | None = None
    wanted: str | None = None
    message: str | None = None
    interruptions: int = 0
    parent: str | None = None
    archive_bytes: int = 0
    archive_until: datetime | None = None
    purged_at: datetime | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)
    receipt: Receipt | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether it ends, or pauses, after its present batch."""
        return self.wanted is not None and self.state is OperationState.RUNNING

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state is OperationState.FINISHED

    @property
    def was_stopped(self) -> bool:
        """Whether somebody ended it before all was done."""
        return bool(self.summary.get("was_stopped"))
