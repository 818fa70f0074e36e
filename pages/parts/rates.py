"""How fast an operation goes and how long it takes yet, from what this session has seen of it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pages.parts import session, text
from runmanager.records import OperationState

if TYPE_CHECKING:
    from runmanager.records import OperationView

SAMPLES = 20
MOST = 20
_SHORTEST = 1.0


@dataclass
class _Seen:
    """When how many runs were done, by operation; the oldest operation is forgotten first."""

    samples: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)


def said(view: OperationView) -> str:
    """Such as "120 runs/s, about 17 s left"; "" while nobody can say."""
    if view.state is not OperationState.RUNNING:
        session.slot(_Seen).samples.pop(view.operation_id, None)
        return ""
    rate = _rate(view)
    if rate <= 0:
        return ""
    left = max(0, view.total - _past(view)) / rate
    per_second = f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"  # noqa: PLR2004  tenths matter below ten
    return f"{per_second} runs/s, about {text.duration(float(max(1, round(left))))} left"


def _rate(view: OperationView) -> float:
    """Runs a second: of the last moments, or of all its time where only one is known."""
    known = session.slot(_Seen).samples
    samples = known.setdefault(view.operation_id, deque(maxlen=SAMPLES))
    samples.append((time.monotonic(), _past(view)))
    while len(known) > MOST:
        del known[next(iter(known))]
    (first, done_first), (last, done_last) = samples[0], samples[-1]
    if last - first >= _SHORTEST and done_last > done_first:
        return (done_last - done_first) / (last - first)
    if view.started_at is None or view.interruptions:
        return 0.0
    seconds = (datetime.now(UTC) - view.started_at).total_seconds()
    return _past(view) / seconds if seconds >= _SHORTEST else 0.0


def _past(view: OperationView) -> int:
    """How many runs it has been at, whatever became of them."""
    return view.done + view.failed
