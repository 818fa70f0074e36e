"""The chart of runs over time: what is drawn of any numbers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pages.parts import histogram
from runmanager.filters import KINDS
from runmanager.records import Accuracy, Bucket, Histogram

START = datetime(2026, 10, 25, tzinfo=UTC)
counts = st.lists(st.integers(0, 10**7), min_size=len(KINDS), max_size=len(KINDS))


def histogram_of(numbers: list[list[int]], accuracy: Accuracy = Accuracy.EXACT) -> Histogram:
    """Buckets of an hour each, with so many runs of each kind."""
    hour = timedelta(hours=1)
    return Histogram(
        tuple(
            Bucket(
                START + place * hour, START + (place + 1) * hour, dict(zip(KINDS, one, strict=True))
            )
            for place, one in enumerate(numbers)
        ),
        accuracy,
    )


def drawn(found: Histogram) -> list[dict[str, Any]]:
    """The rectangles of the chart."""
    spec = json.loads(json.dumps(histogram._spec(found)))
    rows: list[dict[str, Any]] = spec["data"]["values"]
    return rows


@given(st.lists(counts, min_size=1, max_size=90))
def test_each_number_is_a_rectangle_that_stands_on_the_one_below(
    numbers: list[list[int]],
) -> None:
    rows = drawn(histogram_of(numbers))
    heights = {(one["start"], one["kind"]): one["above"] - one["below"] for one in rows}
    for place, of_kinds in enumerate(numbers):
        start = round((START + place * timedelta(hours=1)).timestamp() * 1000)
        for kind, number in zip(KINDS, of_kinds, strict=True):
            assert heights.get((start, kind), 0) == number
        bar = [one for one in rows if one["start"] == start]
        assert all(lower["above"] == upper["below"] for lower, upper in pairwise(bar))
        assert {one["all"] for one in bar} <= {f"{sum(of_kinds):,}"}
        assert not bar or (bar[0]["below"], bar[-1]["above"]) == (0, sum(of_kinds))


def test_what_is_not_exact_says_so_where_it_is_hovered_over_and_to_who_does_not_see_it() -> None:
    said = {Accuracy.SAMPLED: "sampled", Accuracy.AT_LEAST: "at least"}
    for accuracy, words in said.items():
        found = histogram_of([[1, 0, 2_000, 0, 0]], accuracy)
        assert all(words in one["all"] for one in drawn(found))
        assert words in histogram._alternative(found)
    exact = histogram_of([[1, 0, 2_000, 0, 0]])
    assert histogram._alternative(exact) == "Runs over time by status: 1 running, 2,000 failed"
    assert {one["all"] for one in drawn(exact)} == {"2,001"}


def test_a_bucket_is_named_by_the_viewers_clock(in_berlin: None) -> None:
    (bar,) = drawn(histogram_of([[0, 0, 1, 0, 0]]))
    assert bar["when"] == "25 Oct 02:00 CEST – 25 Oct 02:00 CET"  # noqa: RUF001
