"""How much is counted exactly of a filter's runs, and how long anything may take."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SampleBudget:
    """How large a sample of the table grows: from ``first`` rows to ``most`` within ``seconds``.

    Where it has fewer than ``enough`` of the runs that are meant, it says nothing of them: with
    fifty, their share is known to a seventh, most of the time.
    """

    first: int = 2_000
    most: int = 30_000
    seconds: float = 0.4
    enough: int = 50


@dataclass(frozen=True)
class TriageLimits:
    """From how many runs on they are no longer counted one by one, as the planner guesses them.

    Statuses are counted for ``counted`` runs, a histogram for ``bucketed``; up to ``totalled`` it
    has exact totals, with every status but the most frequent where those are ``minority`` runs at
    the most. A status with up to ``few`` runs is counted always. ``words`` is how many statuses a
    host may have for that, ``large_words`` how many of them with more runs than a few. Where
    nothing else helps the newest ``looked_through`` are looked through. For a text in their error
    up to ``looked_at`` are looked at. A histogram's ``sample`` is larger than that of statuses,
    which has no buckets to fill.

    Each statement may take ``seconds``; one that is only tried, as there may be few runs to visit
    or millions, ``try_seconds``: nothing is tried where that is 0.
    """

    counted: int = 60_000
    bucketed: int = 220_000
    totalled: int = 2_000_000
    minority: int = 600_000
    few: int = 10_000
    words: int = 200
    large_words: int = 12
    looked_through: int = 20_000
    looked_at: int = 300_000
    sample: SampleBudget = field(default_factory=SampleBudget)
    small_sample: SampleBudget = field(default_factory=lambda: SampleBudget(most=10_000))
    seconds: float = 0.5
    try_seconds: float = 0.15
