"""What a deletion was confirmed to do: the part of its plan that its execution and receipt need.

The runs themselves stand beside it, in the file of frozen ids.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from runmanager.archive.ids import writing_ids
from runmanager.deletion.reasons import ACTIVE, STILL_RUNNING
from runmanager.errors import OtherVersionError
from runmanager.records import FailedRun, FrozenRun, LeftBehind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runmanager.folders import Folder
    from runmanager.records import DeletionPlan, PlannedRun

NAME = "operation.json"
# Raised whenever a reader of the one before would not do what is meant. Files without one have 1.
FORMAT = 1


@dataclass(frozen=True)
class DeletionSpec:
    """A confirmed plan. ``going`` is how many runs stand in the file of frozen ids.

    ``held`` and ``missing`` are accounted for as failed; ``held_stamps`` says which runs the former
    are, as a frozen run's stamp does; ``left_out`` are those that were set apart
    and stay, of ``left_out_total`` in all. What an admin decided when they started it is added
    then: their ``reason``, and with ``is_archived`` that the rows are kept before they go.
    ``counted`` are the rows by table that ``stored_bytes`` is of, None where both were estimated.
    """

    shape: str
    include_running: bool
    asked: int
    going: int
    missing: tuple[str, ...] = ()
    held: tuple[FailedRun, ...] = ()
    left_out: tuple[FailedRun, ...] = ()
    left_out_total: int = 0
    left_behind: tuple[LeftBehind, ...] = ()
    unknown_statuses: tuple[tuple[str | None, int], ...] = ()
    sentence: str = ""
    until: datetime | None = None
    stored_bytes: int = 0
    counted: Mapping[str, int] | None = None
    reason: str | None = None
    is_archived: bool = False
    held_stamps: tuple[str | None, ...] = ()

    @property
    def total(self) -> int:
        """How many runs the receipt accounts for as deleted or failed."""
        return self.going + len(self.held) + len(self.missing)

    @classmethod
    def of(cls, plan: DeletionPlan) -> DeletionSpec:
        """What ``plan`` says."""
        left_out = (
            *(_set_apart(run, STILL_RUNNING) for run in plan.excluded),
            *(_set_apart(run, ACTIVE) for run in plan.active),
            *(_set_apart(one.run, one.reason) for one in plan.unconfirmed),
        )
        return cls(
            shape=plan.shape,
            include_running=plan.include_running,
            asked=plan.total + len(plan.held) + len(plan.missing) + len(left_out),
            going=plan.total,
            missing=plan.missing,
            held=tuple(_set_apart(held.run, held.reason) for held in plan.held),
            held_stamps=tuple(held.run.stamp for held in plan.held),
            left_out=left_out,
            left_out_total=max(len(left_out), plan.running + len(plan.active)),
            left_behind=plan.left_behind,
            unknown_statuses=tuple((one.status, one.runs) for one in plan.unknown_statuses),
            sentence=plan.sentence,
            until=plan.until,
            stored_bytes=plan.stored_bytes,
            counted=None if plan.is_about else {one.table: one.rows for one in plan.tables},
        )

    def write(self, folder: Folder) -> None:
        """Let it stand in the operation's folder."""
        until = self.until.isoformat() if self.until else None
        values = {"format": FORMAT, **asdict(self), "until": until}
        folder.write(NAME, json.dumps(values).encode())

    @classmethod
    def read(cls, folder: Folder, decided: Mapping[str, Any] | None = None) -> DeletionSpec:
        """What stands there, and was ``decided``.

        Raises FileMissingError where nothing does, and OtherVersionError where it says more than is
        understood here: what that is may be which runs are to stay.
        """
        values: dict[str, Any] = json.loads(folder.read(NAME))
        if values.pop("format", FORMAT) != FORMAT or not values.keys() <= _KNOWN:
            raise OtherVersionError
        until = values["until"]
        return cls(
            **values
            | {
                "missing": tuple(values["missing"]),
                "held_stamps": tuple(values.get("held_stamps", ())),
                "held": tuple(FailedRun(**run) for run in values["held"]),
                "left_out": tuple(FailedRun(**run) for run in values["left_out"]),
                "left_behind": tuple(LeftBehind(**one) for one in values["left_behind"]),
                "unknown_statuses": tuple((one, runs) for one, runs in values["unknown_statuses"]),
                "until": datetime.fromisoformat(until) if until else None,
                "reason": (decided or {}).get("reason"),
                "is_archived": bool((decided or {}).get("is_archived")),
            }
        )


_KNOWN = {one.name for one in fields(DeletionSpec)}


def write_frozen(folder: Folder, plan: DeletionPlan) -> None:
    """Let the runs of a plan by ids stand beside its spec."""
    with writing_ids(folder) as ids:
        for run in plan.runs:
            ids.add(FrozenRun(run.thread_id, run.stamp, run.name, run.is_orphan))


def _set_apart(run: PlannedRun, reason: str) -> FailedRun:
    return FailedRun(run.thread_id, run.title, reason)
