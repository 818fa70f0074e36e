"""What an attack tried, and what got through."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field

_SHOWN = 15


@dataclass
class Report:
    """Counts of one attack; ``broken`` names each promise that did not hold."""

    title: str
    tried: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def count(self, what: str, number: int = 1) -> None:
        """So many more of this kind were tried."""
        self.tried[what] += number

    def note(self, line: str) -> None:
        """A line to print that is neither good nor bad."""
        self.notes.append(line)

    def broke(self, what: str) -> None:
        """This got through."""
        self.broken.append(what)

    def require(self, holds: bool, what: str) -> None:
        """Note ``what`` as broken unless it holds."""
        if not holds:
            self.broke(what)

    @property
    def total(self) -> int:
        """How much was tried."""
        return self.tried.total()

    def __str__(self) -> str:
        lines = [f"{self.title}: {self.total:,} tried, {len(self.broken):,} got through"]
        lines += [f"  {what:<44} {number:>6,}" for what, number in self.tried.items()]
        lines += [f"  {line}" for line in self.notes]
        lines += [f"  BROKEN  {one}" for one in self.broken[:_SHOWN]]
        if len(self.broken) > _SHOWN:
            lines.append(f"  BROKEN  and {len(self.broken) - _SHOWN:,} more")
        return "\n".join(lines)


def leave(report: Report) -> None:
    """Print the report, and end the program: with 1 where a promise was broken."""
    sys.stdout.write(f"{report}\n")
    sys.exit(1 if report.broken else 0)
