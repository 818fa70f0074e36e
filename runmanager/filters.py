"""RunFilter: which runs are meant, as a table of entries that everybody loops over.

An entry is one field of RunFilter: its key in the address and the API, how it is read and written,
and its words. Its condition in SQL stands in ``queries/listing/conditions.py``, its widget in
``pages/parts/filter_form.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum
from typing import TYPE_CHECKING, Any

from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_TEXT = 10_000
# The query parameter that lists the entries of which the runs without one are meant.
WITHOUT_KEY = "without"
_SHOWN = 60


class Without(Enum):
    """Chosen in place of a value: the runs that have none, or name one that is not there."""

    WITHOUT = "without"


WITHOUT = Without.WITHOUT
Value = str | Without | None


@dataclass(frozen=True)
class Entry:
    """What is known of one filter wherever it is read, written, said or offered.

    ``word`` is the noun in a sentence, and stands for the entry in ``without``. With ``blanks``
    those around a value belong to it. ``has_without`` says that the runs without one can be chosen.
    ``narrowed_by`` names the entries whose choice shortens the list of its values.
    """

    word: str
    description: str
    blanks: bool = True
    has_without: bool = False
    narrowed_by: tuple[str, ...] = ()

    def read(self, text: str) -> str | None:
        """The value that a query parameter holds; None for none."""
        return (text if self.blanks else text.strip())[:MAX_TEXT] or None

    def describe(self, value: str | Without, label: str | None = None) -> str:
        """The entry in a sentence, such as ``user “kate”`` and ``no known workspace``."""
        if isinstance(value, Without):
            return f"no known {self.word}"
        return f"{self.word} “{shorten(label or value, _SHOWN)}”"


def _of(entry: Entry) -> dict[str, Entry]:
    return {"entry": entry}


@dataclass(frozen=True)
class RunFilter:
    """The runs that match every entry set here; the empty filter means all runs.

    ``search`` is a literal part of a thread id or a name, whatever its case. ``workspace`` is a
    workspace's id.
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

    def __bool__(self) -> bool:
        return any(True for _set in self.chosen())

    def chosen(self) -> Iterator[tuple[str, str | Without]]:
        """Key and value of each entry that is set, in the order of the table."""
        for one in fields(self):
            value = getattr(self, one.name)
            if value != one.default:
                yield one.name, value

    def only(self, keys: tuple[str, ...]) -> RunFilter:
        """The same filter without the entries that are not among ``keys``."""
        values: dict[str, Any] = {key: value for key, value in self.chosen() if key in keys}
        return RunFilter(**values)

    def cleared(self, key: str) -> RunFilter:
        """The same filter without the entry ``key``."""
        return self.only(tuple(one for one in ENTRIES if one != key))

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> RunFilter:
        """The filter that query parameters describe; unknown parameters are not its own.

        What ``query_problems`` finds is left out.
        """
        without = _words(query)
        values: dict[str, Any] = {}
        for key, entry in ENTRIES.items():
            value = entry.read(query.get(key, ""))
            if value is not None:
                values[key] = value
            elif entry.has_without and entry.word in without:
                values[key] = WITHOUT
        return cls(**values)

    def to_query(self) -> dict[str, str]:
        """The query parameters that ``from_query`` reads back into this filter."""
        query = {key: value for key, value in self.chosen() if value and isinstance(value, str)}
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


def query_problems(query: Mapping[str, str]) -> tuple[str, ...]:
    """What is wrong with ``without`` in query parameters, each a sentence.

    It must name entries that have such a choice, and none that has a value of its own beside it.
    What stands in the address is not repeated: a link may hold anything.
    """
    by_word = {entry.word: key for key, entry in ENTRIES.items() if entry.has_without}
    problems = []
    for word in _words(query):
        if word not in by_word:
            problems.append(f"“without” knows these words only: {', '.join(by_word)}.")
        elif ENTRIES[by_word[word]].read(query.get(by_word[word], "")) is not None:
            problems.append(f"“without={word}” and “{by_word[word]}” exclude each other.")
    return tuple(dict.fromkeys(problems))


def _words(query: Mapping[str, str]) -> tuple[str, ...]:
    words = (word.strip() for word in query.get(WITHOUT_KEY, "").split(","))
    return tuple(dict.fromkeys(filter(None, words)))
