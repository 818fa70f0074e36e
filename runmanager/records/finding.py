"""What the list of runs shows: its rows and pages, what it can be filtered by, exact counts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from runmanager.paging import Exactness, Page, PageRequest, RowKey, Total
from runmanager.sorting import NEWEST_FIRST, Sort

if TYPE_CHECKING:
    from datetime import datetime

    from runmanager.records.statuses import StatusKind


@dataclass(frozen=True)
class RunSummary:
    """One row of the list. ``name`` is None where the run has none: show ``title`` then.

    ``kind`` is what the host's own word ``status`` means. ``completed_at`` and ``error``, the first
    line of the run's error, are None where the host keeps none. ``stored_bytes`` is known only in a
    list that is sorted by it.
    """

    thread_id: str
    name: str | None
    status: str | None
    kind: StatusKind
    created_at: datetime | None
    user_id: str | None
    username: str | None
    workspace_id: str | None
    workspace_name: str | None
    completed_at: datetime | None = None
    error: str | None = None
    stored_bytes: int | None = None

    @property
    def title(self) -> str:
        """The run's name, or its thread_id where it has none."""
        return self.name or self.thread_id

    @property
    def user(self) -> str | None:
        """What the run's user is called, or their id where no name is known."""
        return self.username or self.user_id

    @property
    def workspace(self) -> str | None:
        """What the run's workspace is called, or its id where no name is known."""
        return self.workspace_name or self.workspace_id


@dataclass(frozen=True)
class RunPage(Page[RunSummary]):
    """One page of the list of runs: its rows, its place, and what is known of the rest.

    ``exactness`` is that of ``total``. Where ``from_end`` is set, ``number`` counts from the end.
    ``first`` and ``last`` are the places of its rows, from which the pages beside it are read.
    ``resume`` is set where the search was interrupted before the page was full: the place it has
    come to, and ``searched_to`` its time (None: among the runs without a time). ``is_backward``
    says that it went towards the newer runs. With ``is_whole_id`` the one run shown was found
    because the text searched for is its whole id; older runs were not searched for that text.
    """

    exactness: Exactness = Exactness.EXACT
    from_end: bool = False
    has_next: bool = False
    has_previous: bool = False
    first: RowKey | None = None
    last: RowKey | None = None
    resume: RowKey | None = None
    searched_to: datetime | None = None
    is_backward: bool = False
    is_whole_id: bool = False
    sort: Sort = NEWEST_FIRST

    @property
    def known_total(self) -> Total:
        """The total with its exactness."""
        return Total(self.total, self.exactness)

    @property
    def request(self) -> PageRequest:
        """What asks for this page."""
        return PageRequest(self.number, self.size, self.from_end)


@dataclass(frozen=True)
class FilterChoice:
    """A value that runs have, to filter by; ``name`` is None where it is called nothing else."""

    value: str
    name: str | None


@dataclass(frozen=True)
class FilterChoices:
    """The values to choose from. Where they are not complete, others may have runs as well."""

    items: tuple[FilterChoice, ...]
    is_complete: bool = True


class CountState(Enum):
    """Where a count is between its start and its end."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class CountView:
    """A count as it stood when it was asked about; ``total`` is there once it finished."""

    count_id: str
    state: CountState
    total: int | None
    message: str
