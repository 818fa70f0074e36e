"""A filter's runs over time, by what their statuses mean, and which way they are counted.

- The time has 220,000 runs at the most, as the planner guesses: **by bucket**, exactly.
- An index finds the few runs: **one by one**.
- The filter is a time of up to two million runs: exact **totals**, which the index has alone, and
  every status but the most frequent one by one; that one has what they leave.
- Else a **sample**, with the rare statuses one by one beside it.
- Where the sample has too few of the runs to say anything: one by one for a moment, and then those
  among the **newest** 20,000, which are at least what there is.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from runmanager.filters import KINDS
from runmanager.queries.listing.spans import has_started
from runmanager.queries.triage.buckets import find_edges
from runmanager.queries.triage.question import Counts, Question
from runmanager.queries.triage.statuses import (
    Answer,
    among_newest,
    counted,
    sampled_beside_rare,
)
from runmanager.queries.triage.trying import first_answer, tried
from runmanager.queries.triage.ways import by_bucket, one_by_one, totals
from runmanager.queries.triage.words import Word, guesses, read_words
from runmanager.records import Accuracy, Bucket, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import tzinfo

    from runmanager.filters import RunFilter
    from runmanager.host.values import Reading
    from runmanager.queries.triage.buckets import Edges
    from runmanager.queries.triage.limits import TriageLimits


def read_histogram(
    reading: Reading, run_filter: RunFilter, buckets: int, zone: tzinfo, limits: TriageLimits
) -> Histogram:
    """The runs of ``run_filter`` in at most ``buckets`` buckets between round times of ``zone``.

    None of them has a bucket where the host keeps its times as texts, nor has one that started at
    no time that a calendar has: before the year 1, after 9999, at infinity. Raises
    DatabaseTooSlowError where nothing is found in time.
    """
    # First: a filter that this host does not offer is refused, whatever there is to count.
    question = Question.of(reading, run_filter)
    if not has_started(reading.host):
        return Histogram((), Accuracy.EXACT)
    edges = find_edges(question, buckets, zone, limits)
    if edges is None:
        return Histogram((), Accuracy.EXACT)
    counts, accuracy = first_answer(_ways(question.by(edges), limits))
    if not counts and accuracy is Accuracy.EXACT:
        return Histogram((), accuracy)
    return Histogram(_buckets(reading, edges, counts), accuracy)


def _ways(question: Question, limits: TriageLimits) -> Iterator[Callable[[], Answer | None]]:
    few = question.guess <= limits.bucketed
    is_ordered = "created_at" in question.reading.hints.indexed
    # Where another index finds far fewer of them, those of each bucket are not looked at.
    if few and is_ordered and question.guess * 2 > question.guess_by_time:
        yield partial(_by_bucket, question, limits)
    if few:
        yield partial(counted, question, limits.seconds)
    if question.is_by_time_alone and question.guess_by_time <= limits.totalled:
        yield partial(_by_totals, question, limits)
    yield partial(sampled_beside_rare, question, limits, limits.sample)
    if not few and limits.try_seconds:
        yield partial(counted, question, limits.try_seconds)
    yield partial(among_newest, question, limits)


def _by_bucket(question: Question, limits: TriageLimits) -> Answer | None:
    found = tried(question.selection.connection, limits.seconds, partial(by_bucket, question))
    return None if found is None else (found, Accuracy.EXACT)


def _by_totals(question: Question, limits: TriageLimits) -> Answer | None:
    """The totals of the buckets, and every status but the dominant one, which has the rest."""
    way = partial(_totals_and_rest, question, limits)
    found = tried(question.selection.connection, limits.seconds, way)
    return None if found is None else (found, Accuracy.EXACT)


def _totals_and_rest(question: Question, limits: TriageLimits) -> Counts | None:
    words = read_words(question.reading, limits)
    if words is None or not words.many or len(words.many) > limits.large_words:
        return None
    likely = guesses(question.reading, words.many)
    dominant = max(likely, key=lambda word: likely[word])
    others: set[Word] = {*words.few, *words.many} - {dominant}
    if sum(likely.values()) - likely[dominant] > limits.minority:
        return None
    found = one_by_one(question, others)
    for key, total in totals(question).items():
        place = key[0]
        rest = total - sum(runs for (own, _word), runs in found.items() if own == place)
        if rest:
            found[place, dominant] = rest
    return found


def _buckets(reading: Reading, edges: Edges, counts: Counts) -> tuple[Bucket, ...]:
    known = reading.host.conventions.statuses
    runs = [dict.fromkeys(KINDS, 0) for _number in range(edges.number)]
    for (place, word), number in counts.items():
        runs[place][known.kind(word).shown] += number
    times = pairwise(edges.times)
    return tuple(Bucket(*time, by_kind) for time, by_kind in zip(times, runs, strict=True))
