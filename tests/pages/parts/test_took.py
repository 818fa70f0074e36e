"""How long a run took, or has taken by now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pages.parts.run_grid import took
from runmanager.records import RunSummary, StatusKind

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("started", "ended", "kind", "words"),
    [
        (NOW - HOUR, NOW, StatusKind.COMPLETED, "1 h"),
        (NOW - HOUR, NOW - HOUR, StatusKind.FAILED, "0.0 s"),
        (NOW - HOUR, None, StatusKind.RUNNING, "1 h"),
        (NOW - HOUR, None, StatusKind.FAILED, None),
        (NOW - HOUR, None, StatusKind.UNKNOWN, None),
        (None, NOW, StatusKind.COMPLETED, None),
        (None, None, StatusKind.RUNNING, None),
        # A clock that was set back, or a run that is about to start.
        (NOW, NOW - HOUR, StatusKind.COMPLETED, "0.0 s"),
        (NOW + HOUR, None, StatusKind.RUNNING, "0.0 s"),
    ],
)
def test_a_run_has_taken_as_long_as_its_times_tell(
    started: datetime | None, ended: datetime | None, kind: StatusKind, words: str | None
) -> None:
    run = RunSummary("r", None, None, kind, started, None, None, None, None, completed_at=ended)
    assert took(run, NOW) == words
