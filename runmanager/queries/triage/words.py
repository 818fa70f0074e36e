"""The host's own words for a status, by its index: how many runs have each of the rare ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.host.ids import array_of
from runmanager.queries.listing import kinds
from runmanager.queries.listing.conditions import Selection, not_hidden
from runmanager.queries.listing.loose_scan import distinct_values
from runmanager.queries.listing.totals import planned

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from runmanager.host.values import Reading
    from runmanager.queries.triage.limits import TriageLimits

Word = str | None


@dataclass(frozen=True)
class Words:
    """All statuses that runs have, None for none: ``few`` with their number, ``many`` without."""

    few: Mapping[Word, int]
    many: tuple[Word, ...]


def read_words(reading: Reading, limits: TriageLimits) -> Words | None:
    """The words of the host; None where no index has them, or there are too many."""
    if "status" not in reading.hints.indexed:
        return None
    some = distinct_values(reading, reading.host.runs.c.status).limit(limits.words + 1)
    word = sa.cast(some.subquery("some").c.id, sa.Text)
    words = list(reading.connection.scalars(sa.select(word)))
    if len(words) > limits.words:
        return None
    counted = _counted(reading, words, limits.few + 1)
    none = _count_none(reading, limits.few + 1)
    found: dict[Word, int] = {word: runs for word, runs in counted.items() if runs}
    if none:
        found[None] = none
    many = tuple(word for word, runs in found.items() if runs > limits.few)
    return Words({word: runs for word, runs in found.items() if word not in many}, many)


def guesses(reading: Reading, words: Iterable[Word]) -> dict[Word, int]:
    """How many runs have each of these, as the planner guesses."""
    return {
        word: planned(Selection(reading, others=(has_word(reading, [word]),))) for word in words
    }


def has_word(reading: Reading, words: Collection[Word]) -> sa.ColumnElement[bool]:
    """The condition that a run's status is one of ``words``: bare, for the index."""
    column = reading.host.runs.c.status
    texts = tuple(word for word in words if word is not None)
    none = [column.is_(None)] if None in words else []
    return sa.or_(kinds.Words(column, texts).has_one, *none)


def _counted(reading: Reading, words: list[str], most: int) -> dict[str, int]:
    """How many runs have each word, ``most`` at the most."""
    column = reading.host.runs.c.status
    values = array_of(column, words)
    if values is None:
        return {}
    unnested = sa.func.unnest(values)
    listed = unnested.table_valued(
        sa.column("word", column.type), with_ordinality="number"
    ).render_derived(name="words")
    some = _ones(reading, column == listed.c.word, most).correlate(listed).lateral("some")
    counted = sa.select(sa.func.count().label("runs")).select_from(some).lateral("counted")
    rows = reading.connection.execute(
        sa.select(listed.c.number, counted.c.runs).join(counted, sa.true())
    )
    return {words[row.number - 1]: row.runs for row in rows}


def _count_none(reading: Reading, most: int) -> int:
    some = _ones(reading, reading.host.runs.c.status.is_(None), most).subquery("some")
    return reading.connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0


def _ones(reading: Reading, condition: sa.ColumnElement[bool], most: int) -> sa.Select[Any]:
    one: sa.ColumnElement[int] = sa.literal_column("1").label("one")
    runs = reading.host.runs
    return sa.select(one).select_from(runs).where(condition, *not_hidden(reading)).limit(most)
