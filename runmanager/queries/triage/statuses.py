"""How many runs have each status, and which way they are counted.

- The runs are 60,000 at the most, as the planner guesses, or 220,000 in all of their time: **one by
  one**.
- Of all runs: **by words**, each by the index on the status; of the most frequent one it is only
  known how many the others leave.
- Else a **sample**, and beside it those of the rare statuses one by one: a sample of 10,000 rows
  would show a thousand runs for each one that it meets of a thousand that are running.
- Where the sample has too few of the runs to say anything: one by one for a moment, and then those
  among the **newest** 20,000, which are at least what there is.
"""

from __future__ import annotations

from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from runmanager.queries.triage.question import Counts, Question
from runmanager.queries.triage.sampling import sampled
from runmanager.queries.triage.trying import first_answer, tried
from runmanager.queries.triage.ways import by_rare_words, newest, one_by_one
from runmanager.queries.triage.words import Word, guesses, read_words
from runmanager.records import Accuracy, StatusCount, StatusCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runmanager.filters import RunFilter
    from runmanager.host.values import Reading
    from runmanager.queries.triage.limits import SampleBudget, TriageLimits

Answer = tuple[Counts, Accuracy]


def read_statuses(reading: Reading, run_filter: RunFilter, limits: TriageLimits) -> StatusCounts:
    """The statuses of the runs of ``run_filter``, whichever of them it asks for itself.

    Raises DatabaseTooSlowError where nothing is found in time.
    """
    question = Question.of(reading, run_filter.cleared("status", "kind"))
    counts, accuracy = first_answer(_ways(question, limits))
    known = reading.host.conventions.statuses
    items = [
        StatusCount(word, known.kind(word), runs)
        for (_place, word), runs in counts.items()
        if runs > 0
    ]
    items.sort(key=lambda one: (-one.runs, one.status is None, one.status or ""))
    return StatusCounts(tuple(items), accuracy)


def _ways(question: Question, limits: TriageLimits) -> Iterator[Callable[[], Answer | None]]:
    # A time is read from its index in order, at a fifth of what a user's runs take.
    if question.guess <= limits.counted or question.guess_by_time <= limits.bucketed:
        yield partial(counted, question, limits.seconds)
    if question.selection.is_everything:
        yield partial(_by_words, question, limits)
    yield partial(sampled_beside_rare, question, limits, limits.small_sample)
    if limits.try_seconds:
        yield partial(counted, question, limits.try_seconds)
    yield partial(among_newest, question, limits)


def counted(question: Question, seconds: float) -> Answer | None:
    """Every run, one by one."""
    found = tried(question.selection.connection, seconds, partial(one_by_one, question))
    return None if found is None else (found, Accuracy.EXACT)


def among_newest(question: Question, limits: TriageLimits) -> Answer | None:
    """Those among the newest runs of the time that is meant."""
    way = partial(newest, question, limits.looked_through)
    found = tried(question.selection.connection, limits.seconds, way)
    if found is None:
        return None
    counts, are_all = found
    return counts, Accuracy.EXACT if are_all else Accuracy.AT_LEAST


def sampled_beside_rare(
    question: Question, limits: TriageLimits, budget: SampleBudget
) -> Answer | None:
    """A sample, but for the rare statuses, whose runs are counted one by one."""
    found = sampled(question, limits, budget)
    if found is None:
        return None
    connection = question.selection.connection
    rare = tried(connection, limits.seconds, partial(_rare, question, limits))
    if rare is not None:
        words, counts = rare
        found = {key: runs for key, runs in found.items() if key[1] not in words} | counts
    return found, Accuracy.SAMPLED


def _rare(question: Question, limits: TriageLimits) -> tuple[set[Word], Counts] | None:
    words = read_words(question.reading, limits)
    if words is None:
        return None
    by_number = sorted(words.few, key=lambda word: words.few[word])
    sums = accumulate(words.few[word] for word in by_number)
    rare = {word for word, so_far in zip(by_number, sums, strict=True) if so_far <= limits.few}
    return rare, by_rare_words(question, rare)


def _by_words(question: Question, limits: TriageLimits) -> Answer | None:
    connection = question.selection.connection
    words = tried(connection, limits.seconds, partial(read_words, question.reading, limits))
    if words is None or len(words.many) > limits.large_words:
        return None
    found: Counts = {(0, word): runs for word, runs in words.few.items()}
    likely = guesses(question.reading, words.many)
    large = sorted(likely, key=lambda word: likely[word])
    is_exact = sum(likely.values()) <= limits.minority
    dominant = None if is_exact else large.pop()
    if sum(likely[word] for word in large) > limits.minority:
        return None
    each = tried(connection, limits.seconds, partial(one_by_one, question, large))
    if each is None:
        return None
    found |= each
    if is_exact:
        return found, Accuracy.EXACT
    found[0, dominant] = max(question.guess_of_all - sum(found.values()), limits.few + 1)
    return found, Accuracy.SAMPLED
