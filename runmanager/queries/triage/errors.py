"""How many runs have a text in their error, as far as that is known in a moment."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from runmanager.paging import Exactness, Total
from runmanager.queries.listing.conditions import offered
from runmanager.queries.listing.totals import count_all
from runmanager.queries.triage.question import Question
from runmanager.queries.triage.trying import tried
from runmanager.queries.triage.ways import newest

if TYPE_CHECKING:
    from runmanager.filters import RunFilter
    from runmanager.host.values import Reading
    from runmanager.queries.triage.limits import TriageLimits

# A shorter text is in most errors.
LEAST_TEXT = 3


def count_with_error(reading: Reading, run_filter: RunFilter, limits: TriageLimits) -> Total | None:
    """How many runs of ``run_filter`` have what it searches for in their error instead.

    Exact where that is counted in a moment, else those among the newest runs of its time. None
    where the host keeps no errors, the filter asks for one already, or the text is too short.
    """
    text = run_filter.search.strip()
    if "error" not in offered(reading.host) or run_filter.error or len(text) < LEAST_TEXT:
        return None
    question = Question.of(reading, replace(run_filter.cleared("search"), error=text))
    connection, began = reading.connection, time.monotonic()
    if question.guess <= limits.looked_at and limits.try_seconds:
        found = tried(connection, limits.try_seconds, partial(count_all, question.selection))
        if found is not None:
            return Total(found)
    first = _among_newest(question, limits.looked_through, limits.seconds)
    if first is None:
        return Total(0, Exactness.AT_LEAST)
    # As many more as can be looked at in the time that is left.
    took = time.monotonic() - began
    further = int(limits.looked_through * (limits.try_seconds - took) / took)
    if first.is_exact or further <= limits.looked_through:
        return first
    return _among_newest(question, further, limits.try_seconds) or first


def _among_newest(question: Question, most: int, seconds: float) -> Total | None:
    way = partial(newest, question, most)
    found = tried(question.selection.connection, seconds, way)
    if found is None:
        return None
    counts, are_all = found
    return Total(sum(counts.values()), Exactness.EXACT if are_all else Exactness.AT_LEAST)
