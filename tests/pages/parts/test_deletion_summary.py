"""What a plan of a deletion says, in sentences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pages.parts import deletion_summary
from runmanager.records import PlannedRun, StatusKind

NOON = datetime(2026, 10, 25, 12, tzinfo=UTC)


def planned(status: str | None, created_at: datetime | None = NOON) -> PlannedRun:
    """A run of a plan, with nothing else known of it."""
    return PlannedRun("r", None, status, StatusKind.UNKNOWN, created_at)


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        (["failed"], "failed 1"),
        (["failed", None, "failed", ""], "failed 2, no status 2"),
        (["x" * 80], "x" * 59 + "… 1"),
        ([*"aabbccddeeffgh"], "a 2, b 2, c 2, d 2, e 2, f 2, 2 more with 2"),
    ],
)
def test_runs_are_counted_by_a_word_the_most_frequent_first(
    statuses: list[str | None], words: str
) -> None:
    counted = [(status, 1) for status in statuses]
    assert deletion_summary._counted(counted, "no status") == words


@pytest.mark.parametrize(
    ("moments", "words"),
    [
        ([None, None], "Started: no time is known"),
        ([NOON], "Started: 25 Oct 2026, 12:00:00 UTC"),
        ([NOON, None, NOON], "Started: 25 Oct 2026, 12:00:00 UTC, and 1 without a time"),
        (
            [NOON + timedelta(days=1), NOON],
            "Started: 25 Oct 2026, 12:00:00 UTC to 26 Oct 2026, 12:00:00 UTC",
        ),
    ],
)
def test_the_span_of_time_is_told_with_those_that_have_none(
    moments: list[datetime | None], words: str
) -> None:
    tally = deletion_summary._tally_of([planned("failed", one) for one in moments])
    assert tally is not None
    assert deletion_summary._span(tally) == words
