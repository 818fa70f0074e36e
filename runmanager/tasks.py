"""What the engine gives to a kind of operation, and what it gets back."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from runmanager.records import Actor, OperationKind, Origin


class Ending(Enum):
    """Why an operation is to end after its present batch."""

    STOP = "stop"
    PAUSE = "pause"
    SHUTDOWN = "shutdown"


class Control(Protocol):
    """How an operation at work hears of the outside, and is heard."""

    def ending(self) -> Ending | None:
        """Whether it is to end after its present batch, and why. Asked before each; it is quick.

        Raises LeaseLostError as soon as it is known that another instance has the operation.
        """

    def require_lease(self) -> None:
        """Raises LeaseLostError where another instance has, or may have, taken the operation over.

        It is asked inside each batch's transaction, once the operation's lock there is held, and
        asks the store itself: StoreError where that does not answer. Both are to be let through.
        """

    def tell(self, done: int, failed: int) -> None:
        """Say how far it is. ``done`` counts the runs that it was done to, ``failed`` the others.

        A run that failed is not counted in ``done``: the two together are what was tried.
        """


@dataclass(frozen=True)
class Task:
    """One turn at an operation: its first, or one after a pause, a crash or a takeover.

    ``epoch`` counts its turns from 1; ``interruptions`` is how often a crash, a shutdown or a fault
    broke one off, which a pause does not.
    """

    operation_id: str
    actor: Actor
    origin: Origin
    spec: Mapping[str, Any]
    parent: str | None
    epoch: int
    total: int
    created_at: datetime
    started_at: datetime
    interruptions: int
    control: Control

    @property
    def is_first_turn(self) -> bool:
        """Whether nobody has been at work on the operation before."""
        return self.epoch == 1


@dataclass(frozen=True)
class Finished:
    """The end of an operation: how many runs it was done to, how many failed, and its summary.

    ``done`` counts the runs that it was done to, without those that failed; ``failed`` counts
    those. ``summary`` is of JSON's types, small, and the kind's own: it is kept in the store, and
    shown in lists. ``archive_bytes`` is the size of what the operation archived, ``archive_until``
    how long that is kept.
    """

    done: int
    failed: int
    summary: Mapping[str, Any] = field(default_factory=dict)
    archive_bytes: int = 0
    archive_until: datetime | None = None


class Kind(Protocol):
    """A kind of operation: deletion, restore, purge."""

    @property
    def words(self) -> OperationKind:
        """What it does, in words; ``words.name`` is what the store calls it."""

    def carry_out(self, task: Task) -> Finished | None:
        """Do it, or go on with it, whatever was done of it before.

        None where ``task.control`` let it end before its end, for a pause or a shutdown: all that
        it has done is settled then, and the next turn goes on there. A stop ends it for good, with
        a receipt. Raises InterruptedOperationError for what may well be over in a while (the
        database is away): it is given another turn then, and so it is after a StoreError,
        DatabaseAwayError and DatabaseTooSlowError. LeaseLostError passes through. Any other
        exception pauses the operation, with a sentence; where it is to stop and its files or its
        spec are gone, it ends there, without a receipt.
        """
