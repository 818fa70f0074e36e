"""Plans: what a deletion, a restore or a purge would do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager.records.statuses import StatusKind

if TYPE_CHECKING:
    from datetime import datetime

    from runmanager.records.reviewing import Footprint, KeptRows, LeftBehind


@dataclass(frozen=True)
class PlannedRun:
    """A run in a plan. ``is_orphan``: it has no row of its own, only traces in other tables.

    ``user`` and ``workspace`` are what they are called, or their ids where no name is known.
    ``stamp`` is its ``created_at`` as PostgreSQL prints it: with the id it says which run it is.
    """

    thread_id: str
    name: str | None
    status: str | None
    kind: StatusKind
    created_at: datetime | None
    is_orphan: bool = False
    user: str | None = None
    workspace: str | None = None
    stamp: str | None = None

    @property
    def title(self) -> str:
        """The run's name, or its thread_id where it has none."""
        return self.name or self.thread_id

    @property
    def is_running(self) -> bool:
        """Whether the run was still running when it was looked at."""
        return self.kind is StatusKind.RUNNING


@dataclass(frozen=True)
class FrozenRun:
    """A run as a plan froze it: ``stamp`` is its ``created_at`` as PostgreSQL printed it.

    A run that has the same id and another stamp is another run. ``is_orphan``: it had no row.
    """

    thread_id: str
    stamp: str | None
    name: str | None
    is_orphan: bool = False

    @property
    def title(self) -> str:
        """The run's name, or its thread_id where it had none."""
        return self.name or self.thread_id


@dataclass(frozen=True)
class UnknownStatus:
    """A status that nobody knows, as the host wrote it, and how many runs have it."""

    status: str | None
    runs: int


@dataclass(frozen=True)
class HeldRun:
    """A run that the database would refuse to delete, with the reason and the cure."""

    run: PlannedRun
    reason: str

    @property
    def thread_id(self) -> str:
        """The run's id."""
        return self.run.thread_id


@dataclass(frozen=True)
class Tally:
    """How many of a plan's runs have which status, user and workspace; most runs first.

    A user or workspace is what it is called, None for none. ``first`` and ``last`` are the earliest
    and the latest start; ``undated`` is how many runs have none.
    """

    statuses: tuple[tuple[str | None, StatusKind, int], ...]
    users: tuple[tuple[str | None, int], ...]
    workspaces: tuple[tuple[str | None, int], ...]
    first: datetime | None
    last: datetime | None
    undated: int = 0


@dataclass(frozen=True)
class ArchiveForecast:
    """Where the rows of a deletion would be kept, how big they likely are, and what is free there.

    ``obstacle`` says why they cannot be kept, None where they can. ``free_bytes`` is None where
    nobody can say.
    """

    place: str
    likely_bytes: int
    free_bytes: int | None
    days: float
    obstacle: str | None = None


@dataclass(frozen=True)
class DeletionPlan:
    """What a deletion would do, frozen.

    ``runs`` go; ``excluded`` are still running and stay; ``held`` stay because a row that is kept
    refers to them, and ``missing`` have no row anywhere: both will be reported as failed.
    ``tables`` counts the rows that go, also those that the database takes along by itself;
    ``kept`` the references that it clears; ``left_behind`` the rows that belong to the same runs
    and stay. ``unseen`` says what cannot be known beforehand. ``asked`` are the ids as
    they were given, each once. ``shape`` is the schema that all this is true of.

    Of a plan by filter ``sentence`` says which runs it takes, ``until`` the latest start among
    them, ``matching`` how many go and ``running`` how many were left out as running; ``runs`` are
    the first of them only, ``tally`` is of all. With ``is_about`` rows and bytes are scaled up from
    a sample. ``active`` runs stay as ``excluded`` ones do: they have written within the last
    minutes; with ``looks_on`` each batch looks for such runs as it goes. ``unconfirmed`` ones stay
    in a second try, which takes the runs of the first and no others that have their ids.
    ``archive`` is None where nothing would be kept; ``undo_lacks`` says what Undo would need. A
    plan that is kept has a ``plan_id``.
    """

    asked: tuple[str, ...]
    runs: tuple[PlannedRun, ...]
    excluded: tuple[PlannedRun, ...]
    missing: tuple[str, ...]
    include_running: bool
    tables: tuple[Footprint, ...]
    left_behind: tuple[LeftBehind, ...]
    held: tuple[HeldRun, ...] = ()
    kept: tuple[KeptRows, ...] = ()
    unseen: tuple[str, ...] = ()
    shape: str = ""
    active: tuple[PlannedRun, ...] = ()
    sentence: str = ""
    until: datetime | None = None
    matching: int | None = None
    running: int = 0
    tally: Tally | None = None
    is_about: bool = False
    looks_on: bool = False
    archive: ArchiveForecast | None = None
    undo_lacks: tuple[str, ...] = ()
    plan_id: str | None = None
    unconfirmed: tuple[HeldRun, ...] = ()

    @property
    def total(self) -> int:
        """How many runs go."""
        return len(self.runs) if self.matching is None else self.matching

    @property
    def thread_ids(self) -> tuple[str, ...]:
        """The exact ids that execution accounts for: what goes, what is held, what is missing."""
        held = (run.thread_id for run in self.held)
        return (*(run.thread_id for run in self.runs), *held, *self.missing)

    @property
    def rows(self) -> int:
        """How many rows go, over all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def unknown_statuses(self) -> tuple[UnknownStatus, ...]:
        """What ``runs`` have as a status that may mean that they still run, most runs first.

        They go as if they had ended, which must be said.
        """
        if self.tally is not None:
            of_all = self.tally.statuses
            return tuple(
                UnknownStatus(status, runs)
                for status, kind, runs in of_all
                if kind is StatusKind.UNKNOWN
            )
        found = Counter(
            run.status for run in self.runs if run.kind is StatusKind.UNKNOWN and not run.is_orphan
        )
        return tuple(UnknownStatus(*one) for one in found.most_common())

    @property
    def stored_bytes(self) -> int:
        """How many bytes those rows take as stored."""
        return sum(table.stored_bytes for table in self.tables)


@dataclass(frozen=True)
class RestorePlan:
    """What putting runs back from an archive would do.

    ``refused`` are runs that stay as they are, each with the reason; ``tables`` are rows by table;
    ``triggers`` what of the host's would fire; ``changes`` what differs from what was deleted
    (columns, users and workspaces that are gone). ``obstacle`` says why nothing can be restored.
    """

    operation_id: str
    runs: int
    tables: tuple[tuple[str, int], ...]
    refused: tuple[tuple[str, str], ...] = ()
    triggers: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    obstacle: str | None = None
    thread_ids: tuple[str, ...] | None = None


@dataclass(frozen=True)
class PurgePlan:
    """What removing an operation's archive would do: from then on nothing of it can be restored."""

    operation_id: str
    runs: int
    archive_bytes: int
    kept_until: datetime | None
