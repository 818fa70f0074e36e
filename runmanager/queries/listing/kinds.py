"""What statuses mean, asked of the database: the host's own words, and the kinds that they are.

Which kind a word is, ``records/statuses.py`` says. Where an index begins with the status the host's
words are read from it, mapped there, and compared as they are, so that the index finds their runs.
Elsewhere each run's word is folded in SQL as it is there; a test compares the two.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.filters import KINDS
from runmanager.host.ids import array_of, native_ids, printed_value, storable
from runmanager.queries.listing.loose_scan import distinct_values
from runmanager.records.statuses import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from runmanager.host.values import Reading

# A host with more words than this writes something else into its statuses.
MOST_WORDS = 1_000
_OTHER = "other"
# Behind it there is no character that is folded, and no blank.
_LAST_FOLDED = 0x20000
_BYTES = "SQL_ASCII"


@dataclass(frozen=True)
class Words:
    """Runs by their statuses: these words, and perhaps those without one.

    Each is a word that the column can hold, as it is printed.
    """

    column: sa.Column[Any]
    words: tuple[str, ...]
    with_none: bool = False

    @property
    def values(self) -> sa.ColumnElement[Any] | None:
        """The words in the column's own type; None where there is none."""
        return array_of(self.column, self.words)

    @property
    def has_one(self) -> sa.ColumnElement[bool]:
        """The condition that a run has one of the words."""
        if len(self.words) == 1:
            # With an array the planner would not see that an index has them in order.
            return self.column == printed_value(self.column, self.words[0])
        return sa.false() if self.values is None else self.column == sa.any_(self.values)


def raw_words(reading: Reading) -> tuple[str, ...] | None:
    """The host's own words, as they are printed, each once.

    None where no index has them, or where they are more than ``MOST_WORDS``.
    """
    column = reading.host.runs.c.status
    if column.name not in reading.hints.indexed:
        return None
    some = distinct_values(reading, column).limit(MOST_WORDS + 1).subquery("words")
    words = reading.connection.scalars(sa.select(sa.cast(some.c.id, sa.Text))).all()
    return tuple(words) if len(words) <= MOST_WORDS else None


def words_of_kinds(reading: Reading, kinds: Collection[str]) -> Words | None:
    """The words of these kinds that runs have; None where the words are not known."""
    words = raw_words(reading)
    if words is None:
        return None
    known = reading.host.conventions.statuses
    chosen = [word for word in words if known.kind(word).shown in kinds]
    return _words(reading, chosen, with_none=_OTHER in kinds)


def words_as_given(reading: Reading, given: Collection[str]) -> Words | None:
    """The words ``given``, of which runs have any; None where no index finds them."""
    column = reading.host.runs.c.status
    if column.name not in reading.hints.indexed:
        return None
    if isinstance(column.type, (sa.Text, sa.BigInteger, sa.Uuid)):
        return _words(reading, given)
    # Of an enum, what is none of its words would raise.
    words = raw_words(reading)
    return None if words is None else _words(reading, [word for word in words if word in given])


def is_spelled(reading: Reading, words: Collection[str]) -> sa.ColumnElement[bool]:
    """The condition that a run's status is one of ``words`` to the letter, whatever its type."""
    # By the column's own order two words may be equal that are not the same.
    text = sa.cast(reading.host.runs.c.status, sa.Text).collate("C")
    return text == sa.any_(sa.literal([word for word in words if storable(word)], _TEXTS))


def is_of_kinds(reading: Reading, kinds: Collection[str]) -> sa.ColumnElement[bool]:
    """The condition that a run's status is of one of ``kinds``, tried on each run."""
    known = reading.host.conventions.statuses
    folded = _folded(reading)
    if _OTHER not in kinds:
        return folded == sa.any_(sa.literal(_storable(known.words(kinds)), _TEXTS))
    rest = known.words([kind for kind in KINDS if kind not in (*kinds, _OTHER)])
    is_of_rest = folded == sa.any_(sa.literal(_storable(rest), _TEXTS))
    return sa.not_(sa.func.coalesce(is_of_rest, sa.false()))


_TEXTS = sa.ARRAY(sa.Text)


def _storable(words: Collection[str]) -> list[str]:
    return sorted(filter(storable, words))


def _words(reading: Reading, words: Collection[str], *, with_none: bool = False) -> Words:
    column = reading.host.runs.c.status
    return Words(column, tuple(word for word in words if native_ids(column, [word])), with_none)


def _folded(reading: Reading) -> sa.ColumnElement[str]:
    """The word by which a status is looked up, as ``Statuses.kind`` makes it."""
    known = reading.host.conventions.statuses
    alphabet = frozenset("".join(known.words([kind for kind in KINDS if kind != _OTHER])))
    encoding = _server_encoding(reading.connection)
    long, short = _foldings(alphabet, encoding)
    word: sa.ColumnElement[str] = sa.cast(reading.host.runs.c.status, sa.Text).collate("C")
    for character, text in long.items():
        word = sa.func.replace(word, character, text)
    # translate() leaves out the characters that have none across from them: those come last.
    ordered = sorted(short.items(), key=lambda pair: not pair[1])
    across = "".join(text for _character, text in ordered)
    return sa.func.translate(word, "".join(character for character, _text in ordered), across)


@cache
def _foldings(
    alphabet: frozenset[str], encoding: str
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What becomes of a character: those that only replace() can do, and those for translate().

    Only what becomes something of ``alphabet``, or nothing: any other word is unknown anyway.
    """
    long: dict[str, str] = {}
    short: dict[str, str] = {}
    for character in map(chr, range(1, _LAST_FOLDED)):
        text = "" if SEPARATOR.fullmatch(character) else character.casefold()
        if text == character or not alphabet.issuperset(text) or not _has(encoding, character):
            continue
        # Where the database knows bytes only, translate() would take a character apart.
        by_bytes = encoding == _BYTES and not (character + text).isascii()
        (long if len(text) > 1 or by_bytes else short)[character] = text
    return long, short


def _has(encoding: str, character: str) -> bool:
    """Whether a database of this encoding can hold the character."""
    if encoding in {"UTF8", _BYTES}:
        return storable(character)
    try:
        codec = codecs.lookup(encoding.replace("WIN", "cp"))
        codec.encode(character)
    except (LookupError, UnicodeError):
        return character.isascii()
    return True


def _server_encoding(connection: sa.Connection) -> str:
    info = getattr(connection.connection.dbapi_connection, "info", None)
    known = None if info is None else info.parameter_status("server_encoding")
    return str(known or "UTF8")
