"""How many rows of each run are in each table, and a digest of them in any order.

Two sets of rows are the same where number and sum of digests are: so they are compared without
being kept.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_BITS = 128


@dataclass
class Tally:
    """Rows by table and run: ``rows`` counts them, ``sums`` adds up what they are."""

    rows: dict[str, Counter[str]] = field(default_factory=dict)
    sums: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, table: str, lines: Iterable[tuple[str, bytes]]) -> Iterable[tuple[str, bytes]]:
        """Count these lines as they pass."""
        rows = self.rows.setdefault(table, Counter())
        sums: Counter[str] = Counter()
        for run, line in lines:
            rows[run] += 1
            sums[run] += int.from_bytes(blake2b(line, digest_size=_BITS // 8).digest())
            yield run, line
        for run, found in sums.items():
            self.sums[table, run] = (self.sums.get((table, run), 0) + found) % (1 << _BITS)

    def of(self, run: str) -> Counter[str]:
        """How many rows of a run there are, by table."""
        return +Counter({table: rows[run] for table, rows in self.rows.items()})

    def differing(self, other: Tally, thread_ids: Collection[str]) -> dict[str, str]:
        """The runs whose rows are not the same in both, each with a table in which they differ."""
        return {
            run: table
            for table in sorted({*self.rows, *other.rows}, reverse=True)
            for run in thread_ids
            if self._about(table, run) != other._about(table, run)
        }

    def _about(self, table: str, run: str) -> tuple[int, int]:
        rows = self.rows.get(table)
        return (0 if rows is None else rows[run], self.sums.get((table, run), 0))
