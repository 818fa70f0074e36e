"""RunFilter: which runs are meant, as a table of entries that everybody loops over.

An entry is one field of RunFilter: its key in the address and the API, how it is read and written,
and its words (``entries.py`` has the kinds of them). Its condition in SQL stands in
``queries/listing/conditions.py``, its widget in ``pages/parts/filter_form.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runmanager.entries import (
    MAX_TEXT,
    WITHOUT,
    DurationEntry,
    Entry,
    Moment,
    MomentEntry,
    Value,
    Without,
    WordsEntry,
    are_in_order,
    resolved,
    texts_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import timedelta

__all__ = [
    "ENTRIES",
    "KINDS",
    "MAX_TEXT",
    "WITHOUT",
    "WITHOUT_KEY",
    "Entry",
    "Problem",
    "RunFilter",
    "Value",
    "Without",
    "query_problems",
]

# The query parameter that lists the entries of which the runs without one are meant.
WITHOUT_KEY = "without"
# What statuses mean, as ``kind`` has it: "other" is every run that is none of those before it.
KINDS = ("running", "completed", "failed", "paused", "other")


def _of(entry: Entry) -> dict[str, Entry]:
    return {"entry": entry}


@dataclass(frozen=True)
class RunFilter:
    """The runs that match every entry set here; the empty filter means all runs.

    ``search`` is a literal part of a thread id or a name, ``error`` of an error's text, whatever
    its case. ``workspace`` is a workspace's id. ``status`` are the host's own words, to the letter,
    and ``kind`` what they mean. ``since`` belongs to the time that is meant, ``until`` does not.
    """

    search: str = field(
        default="",
        metadata=_of(Entry("search", "A part of the id or name, whatever its case", blanks=False)),
    )
    username: Value = field(
        default=None,
        metadata=_of(Entry("user", "A user's name, to the letter", has_without=True)),
    )
    workspace: Value = field(
        default=None,
        metadata=_of(
            Entry("workspace", "A workspace's id", has_without=True, narrowed_by=("username",))
        ),
    )
    model: Value = field(
        default=None,
        metadata=_of(Entry("model", "The model's name, where the host keeps it", has_without=True)),
    )
    kind: tuple[str, ...] = field(
        default=(),
        metadata=_of(
            WordsEntry("kind", "What the status means; may be given more than once", known=KINDS)
        ),
    )
    status: tuple[str, ...] = field(
        default=(),
        metadata=_of(
            WordsEntry("status", "The host's own word, to the letter; may be given more than once")
        ),
    )
    since: Moment | None = field(
        default=None,
        metadata=_of(
            MomentEntry(
                "since",
                "Started at this time or later: ISO 8601 with its zone, or so long ago, as in -24h",
                past="started since {}",
                ago="started within {}",
            )
        ),
    )
    until: Moment | None = field(
        default=None,
        metadata=_of(
            MomentEntry(
                "until",
                "Started before this time: ISO 8601 with its zone, or so long ago, as in -24h",
                past="started before {}",
                ago="started more than {} ago",
            )
        ),
    )
    error: str = field(
        default="",
        metadata=_of(Entry("error", "A part of the error's text, whatever its case", blanks=False)),
    )
    longer_than: timedelta | None = field(
        default=None,
        metadata=_of(
            DurationEntry(
                "longer than",
                "Took longer than this: seconds, or as in 5m; a running run's time counts to now",
            )
        ),
    )

    def __bool__(self) -> bool:
        return any(True for _set in self.chosen())

    def chosen(self) -> Iterator[tuple[str, Any]]:
        """Key and value of each entry that is set, in the order of the table."""
        for one in fields(self):
            value = getattr(self, one.name)
            if value != one.default:
                yield one.name, value

    def only(self, keys: Sequence[str]) -> RunFilter:
        """The same filter without the entries that are not among ``keys``."""
        values: dict[str, Any] = {key: value for key, value in self.chosen() if key in keys}
        return RunFilter(**values)

    def cleared(self, *keys: str) -> RunFilter:
        """The same filter without the entries ``keys``."""
        return self.only(tuple(one for one in ENTRIES if one not in keys))

    def at(self, now: datetime) -> RunFilter:
        """The same filter with the absolute times that its relative ones mean at ``now``."""
        since, until = resolved(self.since, now), resolved(self.until, now)
        return replace(self, since=since, until=until)

    @classmethod
    def from_query(cls, query: Mapping[str, str | Sequence[str]]) -> RunFilter:
        """The filter that query parameters describe; unknown parameters are not its own.

        What ``query_problems`` finds is left out.
        """
        without = _words(query)
        values: dict[str, Any] = {}
        for key, entry in ENTRIES.items():
            value = entry.read(texts_of(query, key))
            if value is not None:
                values[key] = value
            elif entry.has_without and entry.word in without:
                values[key] = WITHOUT
        read = cls(**values)
        return read if _is_a_time(read) else read.cleared("since", "until")

    def to_query(self) -> dict[str, str | list[str]]:
        """The query parameters that ``from_query`` reads back into this filter."""
        written = {
            key: ENTRIES[key].write(value) for key, value in self.chosen() if value is not WITHOUT
        }
        query = {
            key: text[0] if isinstance(text, list) and len(text) == 1 else text
            for key, text in written.items()
            if text
        }
        without = [ENTRIES[key].word for key, value in self.chosen() if value is WITHOUT]
        return query | ({WITHOUT_KEY: ",".join(without)} if without else {})

    def describe(self, labels: Mapping[str, str] | None = None) -> str:
        """The filter in words, such as ``user “kate” and workspace “Ops”``; "" for no filter.

        ``labels`` are names for values that are ids, by the entry's key.
        """
        known = labels or {}
        return " and ".join(
            ENTRIES[key].describe(value, known.get(key)) for key, value in self.chosen()
        )


ENTRIES: Mapping[str, Entry] = {one.name: one.metadata["entry"] for one in fields(RunFilter)}


@dataclass(frozen=True)
class Problem:
    """What is wrong with the query parameter ``key``, as a sentence."""

    key: str
    sentence: str


def query_problems(query: Mapping[str, str | Sequence[str]]) -> tuple[Problem, ...]:
    """What cannot be read in the query parameters of a filter.

    What stands in the address is not repeated: a link may hold anything.
    """
    wrong = ((key, entry.problem(texts_of(query, key))) for key, entry in ENTRIES.items())
    problems = [Problem(key, sentence) for key, sentence in wrong if sentence is not None]
    if not problems and not _is_a_time(_times(query)):
        problems.append(Problem("until", "It must come after “since”."))
    by_word = {entry.word: key for key, entry in ENTRIES.items() if entry.has_without}
    for word in _words(query):
        if word not in by_word:
            sentence = f"“without” knows these words only: {', '.join(by_word)}."
        elif ENTRIES[by_word[word]].read(texts_of(query, by_word[word])) is not None:
            sentence = f"“without={word}” and “{by_word[word]}” exclude each other."
        else:
            continue
        problems.append(Problem(WITHOUT_KEY, sentence))
    return tuple(dict.fromkeys(problems))


def _times(query: Mapping[str, str | Sequence[str]]) -> RunFilter:
    times = {key: ENTRIES[key].read(texts_of(query, key)) for key in ("since", "until")}
    return RunFilter(**times)


def _is_a_time(run_filter: RunFilter) -> bool:
    """Whether there is a time between ``since`` and ``until``."""
    now = datetime.now(UTC)
    return are_in_order((resolved(run_filter.since, now), resolved(run_filter.until, now)))


def _words(query: Mapping[str, str | Sequence[str]]) -> tuple[str, ...]:
    given = texts_of(query, WITHOUT_KEY)
    words = (word.strip() for word in (given[-1] if given else "").split(","))
    return tuple(dict.fromkeys(filter(None, words)))
