"""What a plan's runs are by status, user, workspace and time: counted while they stream past.

A million runs are never held: only how many have which value, and some of them. Values are compared
as COPY prints them, and read once they are all counted.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runmanager.archive.copy_lines import NULL, read_field
from runmanager.clamped_times import utc
from runmanager.records import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import tzinfo

    from runmanager.records import PlannedRun, Statuses, StatusKind

# So many of each are shown.
MOST_SHOWN = 100
# A host with more users than this: of those with few runs some may not be counted.
MOST_COUNTED = 100_000
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass
class Values:
    """How many runs have which value of one column."""

    counted: Counter[bytes] = field(default_factory=Counter)

    def add(self, values: Iterable[bytes]) -> None:
        """Count some more."""
        self.counted.update(values)
        if len(self.counted) > MOST_COUNTED:
            self.counted = Counter(dict(self.counted.most_common(MOST_COUNTED // 2)))

    @property
    def most(self) -> list[tuple[str | None, int]]:
        """Those that are shown, most runs first."""
        return [(read_field(one), runs) for one, runs in self.counted.most_common(MOST_SHOWN)]


@dataclass
class Times:
    """The first and the last of times as PostgreSQL prints them, and how many runs have none.

    Printed in one zone, times between the years 1 and 9999 are in the order of their letters;
    others are the nearest that Python has. With ``are_texts`` the host keeps texts, which may say
    any zone, or no time.
    """

    zone: tzinfo
    are_texts: bool = False
    first: datetime | None = None
    last: datetime | None = None
    undated: int = 0

    def add(self, stamps: Sequence[bytes]) -> None:
        """Take some more into account."""
        if self.are_texts:
            said = [self.read(stamp) for stamp in stamps]
            self._widen([moment for moment in said if moment is not None])
            self.undated += said.count(None)
            return
        usual = [stamp for stamp in stamps if stamp[4:5] == b"-" and stamp[-1:] != b"C"]
        if usual:
            found = map(self.read, (min(usual), max(usual)))
            self._widen([moment for moment in found if moment is not None])
        if len(usual) < len(stamps):
            odd = [stamp for stamp in stamps if stamp[4:5] != b"-" or stamp[-1:] == b"C"]
            none = odd.count(NULL)
            before = sum(stamp.startswith(b"-") or stamp.endswith(b"BC") for stamp in odd)
            self.undated += none
            self._widen([FIRST] if before else [])
            self._widen([LAST] if len(odd) > none + before else [])

    def read(self, stamp: bytes) -> datetime | None:
        """The moment that a usual time, or a text, says."""
        return utc(read_field(stamp), self.zone)

    def _widen(self, moments: list[datetime]) -> None:
        if moments:
            self.first = min(moments if self.first is None else [self.first, *moments])
            self.last = max(moments if self.last is None else [self.last, *moments])


@dataclass
class Newest:
    """The ids of the newest runs, and of some more: the database decides between equal ones.

    Those before the year 1 are among them where there are no others.
    """

    most: int
    _kept: list[tuple[bytes, bytes]] = field(default_factory=list)

    def add(self, stamps: Sequence[bytes], ids: Sequence[bytes]) -> None:
        """Take some more into account."""
        is_full = len(self._kept) == self.most
        least = self._kept[0][0] if is_full else b""
        late = [one for one in zip(stamps, ids, strict=True) if one[0] >= least]
        if not is_full:
            late = [(b"" if stamp == NULL else stamp, one) for stamp, one in late]
        else:
            late = [one for one in late if one[0] != NULL]
        if late:
            self._kept = sorted([*self._kept, *late])[-self.most :]

    @property
    def ids(self) -> list[bytes]:
        """Those that were kept."""
        return [thread_id for _stamp, thread_id in self._kept]


@dataclass
class Spread:
    """Some of the runs, as evenly spread as can be: one of each stretch of them, at random.

    There are ``most`` at the most, and half of that at least, where there are so many.
    """

    most: int = 512
    kept: list[bytes] = field(default_factory=list)
    _stretch: int = 1
    _next: int = 0
    _seen: int = 0
    # The same runs make the same plan.
    _dice: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311  no secret

    def add(self, ids: Sequence[bytes]) -> None:
        """Choose among some more."""
        while self._next < self._seen + len(ids):
            self.kept.append(ids[self._next - self._seen])
            if len(self.kept) == self.most:
                pairs = zip(self.kept[::2], self.kept[1::2], strict=True)
                self.kept = [self._dice.choice(pair) for pair in pairs]
                self._stretch *= 2
            self._next = len(self.kept) * self._stretch + self._dice.randrange(self._stretch)
        self._seen += len(ids)


def tally_of(runs: Iterable[PlannedRun]) -> Tally:
    """The tally of runs that are all at hand."""
    runs = list(runs)
    times = [run.created_at for run in runs if run.created_at is not None]
    statuses = Counter((run.status, run.kind) for run in runs)
    return Tally(
        statuses=tuple((*one, number) for one, number in statuses.most_common(MOST_SHOWN)),
        users=_shown(Counter(run.user for run in runs)),
        workspaces=_shown(Counter(run.workspace for run in runs)),
        first=min(times, default=None),
        last=max(times, default=None),
        undated=len(runs) - len(times),
    )


def kinds_of(values: Values, known: Statuses) -> tuple[tuple[str | None, StatusKind, int], ...]:
    """The statuses that are shown, with what they mean."""
    return tuple((word, known.kind(word), runs) for word, runs in values.most)


def _shown(counted: Counter[str | None]) -> tuple[tuple[str | None, int], ...]:
    return tuple(counted.most_common(MOST_SHOWN))
