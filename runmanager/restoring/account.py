"""The account of a restore: what its ledger's records say, summed up, wherever it was broken off.

Files are worked off one after another; the records of one stand behind each other.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runmanager.restoring.outcome import RestoredRows

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Account:
    """What became of an operation's runs by now.

    ``file`` is the file that was worked on last, ``settled`` its runs that are accounted for.
    ``outcome`` has what is not as it was, and who failed; of those that are done only how many.
    ``rest`` is why nothing was done to the runs that are left.
    """

    done: int = 0
    tables: Counter[str] = field(default_factory=Counter)
    outcome: RestoredRows = field(default_factory=RestoredRows)
    file: int | None = None
    settled: set[str] = field(default_factory=set)
    rest: str | None = None
    was_stopped: bool = False

    @property
    def failed(self) -> dict[str, str]:
        """Why each run that was not put back was not."""
        return self.outcome.failed

    def add(self, record: Mapping[str, Any]) -> None:
        """Take over one record."""
        self.rest = record.get("rest", self.rest)
        self.was_stopped = record.get("was_stopped", self.was_stopped)
        self.take(record["file"], RestoredRows.from_json({"done": {}, **record}))

    def take(self, file: int, outcome: RestoredRows) -> None:
        """Count what became of some runs of a file."""
        if file != self.file:
            self.file, self.settled = file, set()
        self.settled |= outcome.done.keys() | outcome.failed.keys()
        self.done += len(outcome.done)
        for rows in outcome.done.values():
            self.tables.update(rows)
        titles = {run: outcome.titles[run] for run in outcome.failed if run in outcome.titles}
        for run in outcome.done:
            self.failed.pop(run, None)
        # Those that are done are read from the records again: they may be a million.
        outcome = RestoredRows(**{**vars(outcome), "done": {}, "titles": titles})
        self.outcome.add(outcome)
