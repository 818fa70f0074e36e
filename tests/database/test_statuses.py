"""Runs by status: the host's own word to the letter, and by what it means, on any column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.filters import KINDS, RunFilter
from runmanager.paging import PageRequest
from runmanager.queries.listing import kinds
from runmanager.queries.listing.limits import Limits, SearchBudget
from runmanager.records import Statuses
from runmanager.records.statuses import SEPARATOR
from tests.hosts import SHAPES, HostWriter, connect

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager, Server

WORDS = (
    None, "", "completed", "Completed ", "COMPLETED", "succeß", "failed", "Failed", "timed-out",
    "running", "In Progress", "in_progress", "paused", "cancelled", "custom", "expired",
)  # fmt: skip
RUNNING_WORDS = frozenset({"läuft", "ﬁxing", "K"})
INDEXES = ["", "(status)", "(status, created_at DESC, thread_id DESC)"]
every_index = pytest.mark.parametrize("index", INDEXES, ids=["none", "single", "in order"])
# Few are many, so that those which are searched for are.
SMALL = Limits(3, 6, count_seconds=5, search=SearchBudget(first=2, growth=2, seconds=60))


def add(host: HostWriter, words: Iterable[str | None]) -> dict[str, str | None]:
    """A run for each of these statuses; what they are by its id."""
    rows = {host.new_id(host.shape.thread_id): word for word in words}
    with host.connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO run_metadata (thread_id, status, created_at) VALUES (%s, %s, now())",
            list(rows.items()),
        )
    return rows


def found(manager: RunManager, admin: Actor, run_filter: RunFilter) -> set[str]:
    """All runs of a filter, by the list and frozen."""
    frozen = manager.finding.freeze(admin, run_filter)
    assert frozen.is_complete
    page = manager.finding.list_runs(admin, run_filter, PageRequest(1, 200))
    assert page.total == len(frozen.thread_ids)
    assert [one.thread_id for one in page.items] == list(frozen.thread_ids[:200])
    return set(frozen.thread_ids)


def are_right(
    manager: RunManager, admin: Actor, rows: dict[str, str | None], running: frozenset[str]
) -> None:
    """Each kind has exactly the runs whose words Python says are of it, and so have two of them."""
    known = Statuses(running)
    for chosen in [(kind,) for kind in KINDS] + [("failed", "other"), KINDS]:
        wanted = {one for one, word in rows.items() if known.kind(word).shown in chosen}
        assert found(manager, admin, RunFilter(kind=chosen)) == wanted, chosen


@every_index
@pytest.mark.parametrize("limits", [None, SMALL], ids=["few", "many"])
def test_a_kind_has_the_runs_whose_words_mean_it(
    host: HostWriter, open_manager: OpenManager, admin: Actor, index: str, limits: Limits | None
) -> None:
    if index:
        host.execute(f"CREATE INDEX ON run_metadata {index}")
    rows = add(host, [*WORDS, *WORDS, "läuft", "LÄUFT ", "fixing"])
    are_right(open_manager(limits=limits, running_words=RUNNING_WORDS), admin, rows, RUNNING_WORDS)


@every_index
def test_a_word_is_meant_to_the_letter(
    host: HostWriter, open_manager: OpenManager, admin: Actor, index: str
) -> None:
    if index:
        host.execute(f"CREATE INDEX ON run_metadata {index}")
    rows = add(host, [*WORDS, *WORDS])
    manager = open_manager()
    for given in [(word,) for word in WORDS if word] + [("failed", "FAILED", "paused"), ("a\0b",)]:
        wanted = {one for one, word in rows.items() if word in given}
        assert found(manager, admin, RunFilter(status=given)) == wanted, given
    assert found(manager, admin, RunFilter(status=("\ud800", "failed"))) == {
        one for one, word in rows.items() if word == "failed"
    }
    # Both at once are meant both.
    both = RunFilter(kind=("failed",), status=("failed", "paused"))
    assert found(manager, admin, both) == {one for one, word in rows.items() if word == "failed"}


def test_more_words_than_are_looked_through_are_told_one_by_one(
    host: HostWriter, open_manager: OpenManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.execute("CREATE INDEX ON run_metadata (status)")
    rows = add(host, [*WORDS, *(f"step {number}" for number in range(30))])
    monkeypatch.setattr(kinds, "MOST_WORDS", 20)
    manager = open_manager()
    are_right(manager, admin, rows, frozenset())
    given = ("step 3", "failed")
    wanted = {one for one, word in rows.items() if word in given}
    assert found(manager, admin, RunFilter(status=given)) == wanted


TYPES = {
    "varchar": "ALTER TABLE run_metadata ALTER status TYPE varchar(40)",
    "char": "ALTER TABLE run_metadata ALTER status TYPE char(40)",
    "citext": "CREATE EXTENSION citext; ALTER TABLE run_metadata ALTER status TYPE citext",
    "any case": (
        "CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2',"
        " deterministic = false);"
        "ALTER TABLE run_metadata ALTER status TYPE text COLLATE any_case"
    ),
    "a domain": ("CREATE DOMAIN word AS text; ALTER TABLE run_metadata ALTER status TYPE word"),
    "an enum": (
        "CREATE SCHEMA kinds; CREATE TYPE kinds.word AS ENUM ({words});"
        "ALTER TABLE run_metadata ALTER status TYPE kinds.word USING status::kinds.word"
    ),
}


@every_index
@pytest.mark.parametrize("kind", TYPES)
def test_it_is_so_whatever_type_the_column_is_of(
    host: HostWriter, open_manager: OpenManager, admin: Actor, index: str, kind: str
) -> None:
    icu = "SELECT FROM pg_collation WHERE collprovider = 'i'"
    if kind == "any case" and not host.execute(icu):
        pytest.skip("This PostgreSQL was built without ICU.")
    words = [word for word in WORDS if word is not None and word.strip() == word]
    host.execute(TYPES[kind].format(words=", ".join(f"'{word}'" for word in words)))
    if index:
        host.execute(f"CREATE INDEX ON run_metadata {index}")
    rows = add(host, [None, *words, *words])
    manager = open_manager(limits=SMALL)
    are_right(manager, admin, rows, frozenset())
    for given in [("failed",), ("FAILED",), ("Failed", "paused", "no such word")]:
        wanted = {one for one, word in rows.items() if word in given}
        assert found(manager, admin, RunFilter(status=given)) == wanted, given


def characters() -> Iterator[str]:
    """Every character that is folded or left out when a status is looked up."""
    for character in map(chr, range(1, 0x110000)):
        if character.casefold() != character or SEPARATOR.match(character):
            yield character


def spellings() -> Iterator[str]:
    """Words of each kind with each of those characters, in place of what it becomes or in it."""
    for character in characters():
        for word in ("inprogress", "finished", "timedout", "paused", "läuft"):
            yield word[:2] + character + word[2:]
            folded = "" if SEPARATOR.match(character) else character.casefold()
            if folded and folded in word:
                yield word.replace(folded, character)


def test_a_word_is_folded_in_sql_as_it_is_in_python(
    host: HostWriter, open_manager: OpenManager, admin: Actor
) -> None:
    running = frozenset({"läuft"})
    manager, known = open_manager(running_words=running), Statuses(running)
    rows = add(host, spellings())
    assert len(rows) > 5_000
    assert {known.kind(word).shown for word in rows.values()} == set(KINDS)
    for kind in KINDS:
        wanted = {one for one, word in rows.items() if known.kind(word).shown == kind}
        frozen = manager.finding.freeze(admin, RunFilter(kind=(kind,)))
        assert {rows[one] for one in frozen.thread_ids} == {rows[one] for one in wanted}


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "EUC_JP", "SQL_ASCII"])
def test_it_is_so_in_a_database_that_does_not_have_every_character(
    server: Server, open_manager: OpenManager, admin: Actor, encoding: str
) -> None:
    name = f"in_{encoding.lower()}"
    server._execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    try:
        url = server.url(name, SHAPES[0])
        with connect(url) as connection:
            connection.execute("SET client_encoding = 'UTF8'")
            connection.execute(SHAPES[0].ddl())
            host = HostWriter(SHAPES[0], url, connection)
            words = [*WORDS[:5], "failed", "Paused", "custom"]
            if encoding != "EUC_JP":
                words += ["succeß", "fa\u00a0iled"]
            if encoding == "SQL_ASCII":
                words += ["\u212aeyed", "\u2003Running", "ﬁnished"]
            rows = add(host, words)
            manager = open_manager(url, running_words=frozenset({"keyed", "läuft"}))
            are_right(manager, host.admin, rows, frozenset({"keyed", "läuft"}))
            manager.close()
    finally:
        server.drop(name)
    del admin
