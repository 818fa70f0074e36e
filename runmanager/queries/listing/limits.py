"""How far runs are counted, and how long they are looked for, while somebody waits."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SearchBudget:
    """How the slices of a search grow, and for how long it goes on.

    The first slice has ``first`` rows, each further one up to ``growth`` times as many; after
    ``seconds`` no new one begins, and the last is made so small that it should be over by then.
    """

    first: int = 2_000
    growth: int = 10
    seconds: float = 0.15


@dataclass(frozen=True)
class Limits:
    """Runs are counted exactly up to ``exact_to``, and searched for within ``search``.

    ``count_seconds`` after the list was asked for, counting is over. Up to ``gather_to`` runs of
    one user, status or time are read to find those of a page among them.
    """

    exact_to: int = 10_000
    gather_to: int = 100_000
    count_seconds: float = 0.2
    search: SearchBudget = field(default_factory=SearchBudget)
