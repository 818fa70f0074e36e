"""What became of some runs that were to be restored, and what is not as it was."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from runmanager.batches import Outcome
from runmanager.text import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runmanager.restoring.references import PutBack

_SHOWN_ROWS = 5


@dataclass
class RestoredRows(Outcome):
    """What became of some runs.

    ``titles`` are the names of those that have one, ``orphans`` those that had no row of their own.
    ``cleared`` counts the rows that came back with a reference cleared, by table, columns and the
    table that was referred to. ``put_back`` counts references that were put back, by table;
    ``left`` those that were not, by table and reason, with some of the rows. ``notes`` are
    sentences on what else is not as it was. ``file`` is the number of the file that they are of.
    """

    titles: dict[str, str] = field(default_factory=dict)
    orphans: set[str] = field(default_factory=set)
    cleared: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    put_back: Counter[str] = field(default_factory=Counter)
    left: dict[tuple[str, str], tuple[int, list[str]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    file: int = 0

    def add(self, other: Outcome) -> None:
        """Take over what became of other runs."""
        super().add(other)
        if isinstance(other, RestoredRows):
            self.titles |= other.titles
            self.orphans |= other.orphans
            self.cleared += other.cleared
            self.put_back += other.put_back
            for (table, reason), (number, rows) in other.left.items():
                self._leave(table, reason, number, rows)
            self.note(other.notes)

    def note(self, sentences: Iterable[str]) -> None:
        """Say these too, each once."""
        self.notes += [one for one in dict.fromkeys(sentences) if one not in self.notes]

    def account(self, reference: PutBack) -> None:
        """Count what became of a reference."""
        if reference.reason is None:
            self.put_back[reference.table] += 1
        else:
            self._leave(
                reference.table, reference.reason, 1, [f"{reference.row} → {reference.run}"]
            )

    @property
    def told(self) -> tuple[str, ...]:
        """What is not as it was, and what was mended beside the runs, in sentences."""
        return (
            *(
                f"{count(rows, 'row')} of “{table}” came back with {columns} cleared: what it "
                f"referred to in “{parent}” is gone since."
                for (table, columns, parent), rows in sorted(self.cleared.items())
            ),
            *(
                f"{count(rows, 'reference')} of “{table}” that the deletion had cleared "
                f"{'was' if rows == 1 else 'were'} put back."
                for table, rows in sorted(self.put_back.items())
            ),
            *(
                f"{count(number, 'reference')} of “{table}” that the deletion had cleared "
                f"{'was' if number == 1 else 'were'} not put back ({reason}): "
                + ", ".join(rows)
                + ("." if number == len(rows) else ", …")
                for (table, reason), (number, rows) in sorted(self.left.items())
            ),
            *self.notes,
        )

    def to_json(self) -> dict[str, Any]:
        """All of it, for the ledger."""
        return super().to_json() | {
            "titles": self.titles,
            "orphans": sorted(self.orphans),
            "cleared": [[*key, rows] for key, rows in self.cleared.items()],
            "put_back": self.put_back,
            "left": [[*key, number, rows] for key, (number, rows) in self.left.items()],
            "notes": self.notes,
            "file": self.file,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """What ``to_json`` gave, of which an older record may lack some."""
        return cls(
            done={run: Counter(rows) for run, rows in found["done"].items()},
            failed=dict(found.get("failed", {})),
            titles=dict(found.get("titles", {})),
            orphans=set(found.get("orphans", ())),
            cleared=Counter({(a, b, c): rows for a, b, c, rows in found.get("cleared", ())}),
            put_back=Counter(found.get("put_back", {})),
            left={(a, b): (number, rows) for a, b, number, rows in found.get("left", ())},
            notes=list(found.get("notes", ())),
            file=found.get("file", 0),
        )

    def _leave(self, table: str, reason: str, number: int, rows: Iterable[str]) -> None:
        before, known = self.left.get((table, reason), (0, []))
        self.left[table, reason] = (before + number, [*known, *rows][:_SHOWN_ROWS])
