"""How much a deletion of very many runs would take, scaled up from some of them."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager.deletion.keeping import count_cleared, find_held, kept_rows
from runmanager.queries.run.footprint import footprints, left_behind, run_tables
from runmanager.records import Footprint, KeptRows, LeftBehind

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from runmanager.host.values import Host

# The runs are counted in so many groups: how far these differ says how true the sum is.
GROUPS = 8
# Of so many, one sum in twenty is further off than this many standard errors (Student's t).
_DEVIATIONS = 2.36


@dataclass(frozen=True)
class Estimate:
    """What goes and what stays, scaled up from ``looked_at`` runs; rows and bytes ± ``percent``.

    ``held`` is how many of those that were looked at would stay.
    """

    tables: tuple[Footprint, ...]
    kept: tuple[KeptRows, ...]
    left_behind: tuple[LeftBehind, ...]
    looked_at: int
    held: int
    percent: int


def estimate(connection: sa.Connection, host: Host, sample: Sequence[str], runs: int) -> Estimate:
    """What a deletion of so many runs would take, of which ``sample`` are evenly spread ones."""
    scale = runs / len(sample)
    groups = [sample[number::GROUPS] for number in range(min(GROUPS, len(sample)))]
    found = [footprints(connection, host, run_tables(host), group) for group in groups]
    cleared = count_cleared(connection, host, sample)
    return Estimate(
        tables=tuple(
            # Each run has one row of its own.
            Footprint(
                parts[0].table,
                runs if parts[0].table == host.own.name else _scaled(parts, "rows", scale),
                _scaled(parts, "stored_bytes", scale),
            )
            for parts in zip(*found, strict=True)
        ),
        kept=kept_rows(
            host, Counter({key: round(number * scale) for key, number in cleared.items()})
        ),
        left_behind=tuple(
            one if one.rows is None else LeftBehind(one.table, round(one.rows * scale), one.denied)
            for one in left_behind(connection, host, sample)
        ),
        looked_at=len(sample),
        held=len(find_held(connection, host, sample)),
        percent=max(_percent(groups, found, "rows"), _percent(groups, found, "stored_bytes")),
    )


def _scaled(parts: Sequence[Footprint], name: str, scale: float) -> int:
    total: int = sum(getattr(part, name) for part in parts)
    return round(total * scale)


def _percent(
    groups: Sequence[Sequence[str]], found: Sequence[tuple[Footprint, ...]], name: str
) -> int:
    """How far off a sum over all tables may well be, in percent."""
    each: list[float] = [
        sum(getattr(part, name) for part in parts) / len(group)
        for group, parts in zip(groups, found, strict=True)
    ]
    mean = statistics.fmean(each)
    if not mean or len(each) == 1:
        return 100
    error = statistics.stdev(each) / math.sqrt(len(each))
    return max(1, math.ceil(100 * _DEVIATIONS * error / mean))
