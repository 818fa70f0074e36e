"""What would help on the host's tables: which indexes are wanting, and why. It changes nothing.

``sql.py`` says the same as statements to run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from runmanager.advice.catalog import SMALL_ROWS, Catalog, about_rows, is_small, why_not_advised
from runmanager.host.values import stored_column
from runmanager.queries.catalog.indexes import (
    Reference,
    begins_with,
    finds,
    has_order,
    has_trigram,
    leads_with,
)
from runmanager.queries.catalog.sizes import (
    btree_bytes,
    trigram_bytes,
)
from runmanager.queries.run.footprint import run_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from runmanager.host.values import Host, TraceTable


# The columns that runs and their traces are found by.
_ASKED_FOR = {"thread_id", "created_at", "user_id", "workspace_id", "id", "parent_thread_id"}


class Benefit(Enum):
    """What an index is for, and how much it matters."""

    NEEDED = "Needed"
    LISTING = "Helpful"
    SEARCHING = "Helpful for the search"


class Form(Enum):
    """How an index is built: over plain columns, in the order of the list, or over trigrams."""

    COLUMNS = "columns"
    NEWEST_FIRST = "newest first"
    OVER_TIME = "newest first, with a value of each"
    TRIGRAMS = "trigrams"


@dataclass(frozen=True)
class WantedIndex:
    """An index that would help, without a name yet.

    ``columns`` are all of its columns; one that is NEWEST_FIRST ends with those of the list's
    order, the time and the id, and one that is OVER_TIME begins with the time. ``likely_bytes`` is
    None where the table's rows are not known.
    """

    benefit: Benefit
    table: sa.Table
    columns: tuple[sa.Column[Any], ...]
    form: Form
    why: str
    likely_bytes: int | None

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of all its columns."""
        return tuple(column.name for column in self.columns)

    def serves(self, other: WantedIndex) -> bool:
        """Whether it does what ``other`` would."""
        return (
            (self.form is Form.TRIGRAMS) is (other.form is Form.TRIGRAMS)
            and self.table.fullname == other.table.fullname
            and self.column_names[: len(other.column_names)] == other.column_names
        )


@dataclass(frozen=True)
class WantedExtension:
    """PostgreSQL's extension of this name, which the server has and the database has not."""

    benefit: Benefit
    name: str
    why: str


Finding = WantedIndex | WantedExtension


def find_wanting(host: Host, catalog: Catalog) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """What would help, what matters most first; and remarks, each a sentence."""
    found: list[Finding] = []
    remarks: list[str] = []
    for one in _look_over(host, catalog):
        if isinstance(one, str):
            remarks.append(one)
        elif isinstance(one, WantedExtension) or not any(
            other.serves(one) for other in found if isinstance(other, WantedIndex)
        ):
            found.append(one)
    return tuple(found), tuple(dict.fromkeys(remarks))


def _look_over(host: Host, catalog: Catalog) -> Iterator[Finding | str]:
    """What a look at the host finds, in order; a str is a remark."""
    traces = (*run_tables(host), *host.left_behind)
    for trace in traces:
        if trace.key is not None:
            yield from _for_trace(host, catalog, trace, stored_column(trace.key))
    yield from _for_casts(host)
    keys = {
        (key.table.fullname, key.name)
        for key in (stored_column(trace.key) for trace in traces if trace.key is not None)
    }
    for reference in catalog.references:
        # A key to its run was looked at above, with the table itself.
        if not any((reference.table.fullname, one.name) in keys for one in reference.columns):
            yield from _for_reference(catalog, reference)
    runs = host.own.stored
    if is_small(catalog, runs):
        yield (
            f"“{runs.name}” is small ({about_rows(catalog, runs)}): below "
            f"{SMALL_ROWS:,} rows no further index would be noticed."
        )
    elif (obstacle := why_not_advised(catalog, runs)) is not None:
        yield obstacle
    else:
        yield from _for_list(host, catalog)
        yield from _for_search(host, catalog)


def _for_casts(host: Host) -> Iterator[str]:
    """A view that shows a column in another type keeps the column's index from being used."""
    for table in (host.runs, host.users, *(trace.table for trace in host.traces)):
        for column in table.c:
            cast = column.info.get("cast")
            if cast is not None and (column.name in _ASKED_FOR):
                yield (
                    f"The view “{table.name}” casts “{cast.table.name}.{cast.name}”, so no index "
                    f"on it serves “{column.name}”: let the view show the column as it is."
                )


def _for_trace(
    host: Host, catalog: Catalog, trace: TraceTable, key: sa.Column[Any]
) -> Iterator[WantedIndex | str]:
    """Each table is asked for the rows of runs by one column, so it needs an index on that."""
    table = key.table
    obstacle = why_not_advised(catalog, table, key)
    if obstacle is not None:
        yield obstacle
        return
    if finds(catalog.indexes, key):
        return
    of = f"“{table.name}” ({about_rows(catalog, table)})"
    if trace is host.own:
        why = f"each run that is opened or deleted is looked for in all of {of}."
    elif trace in host.left_behind:
        why = (
            f"a plan says how many rows stay behind in {of}; without an index it reads all of "
            "them, and gives up after a second."
        )
    else:
        why = (
            f"each plan and each batch of a deletion looks for the rows of its runs in {of}; "
            "without an index it reads all of them."
        )
    yield _btree(catalog, Benefit.NEEDED, table, (key,), why)


def _for_reference(catalog: Catalog, reference: Reference) -> Iterator[WantedIndex | str]:
    table = reference.table
    if begins_with(catalog.indexes, table, reference.columns) or is_small(catalog, table):
        return
    obstacle = why_not_advised(catalog, table)
    if obstacle is not None:
        yield obstacle
        return
    why = (
        f"“{table.name}” refers to “{reference.to_table}”, so for each row deleted there "
        "PostgreSQL looks for rows here; without an index it reads all of them "
        f"({about_rows(catalog, table)})."
    )
    yield _btree(catalog, Benefit.NEEDED, table, reference.columns, why)


def _for_list(host: Host, catalog: Catalog) -> Iterator[WantedIndex | str]:
    """The list is newest first, of all runs or of one user's or one workspace's."""
    runs, indexes = host.runs, catalog.indexes
    if not leads_with(indexes, runs.c.created_at):
        why = "no index begins with created_at, so each page of the list sorts all runs."
        yield _newest(catalog, Benefit.NEEDED, _order(host), why)
    for column, why in _in_order(host):
        if has_order(indexes, host, column, catalog.hints.nulls_last):
            continue
        behind = stored_column(column)
        is_plain = behind.name == runs.c.status.name and catalog.hints.has_exact_status
        obstacle = why_not_advised(catalog, behind.table, None if is_plain else behind)
        yield obstacle or _newest(catalog, Benefit.LISTING, (behind, *_order(host)), why)
    if not leads_with(indexes, runs.c.created_at, runs.c.status):
        columns = (stored_column(runs.c.created_at), stored_column(runs.c.status))
        why = "for how many runs there were when, by status: the index alone counts them."
        yield _newest(catalog, Benefit.LISTING, columns, why, form=Form.OVER_TIME)
    if "parent_thread_id" in runs.c and not finds(indexes, runs.c.parent_thread_id):
        parent = stored_column(runs.c.parent_thread_id)
        why = "for a run's page, which looks for its reruns."
        yield why_not_advised(catalog, parent.table, parent) or _btree(
            catalog, Benefit.LISTING, parent.table, (parent,), why
        )
    username = stored_column(host.users.c.username)
    if not is_small(catalog, username.table) and not finds(indexes, username):
        why = "a little, for the user of a name, looked up at each filter by user."
        yield why_not_advised(catalog, username.table, username) or _btree(
            catalog, Benefit.LISTING, username.table, (username,), why
        )


def _in_order(host: Host) -> Iterator[tuple[sa.Column[Any], str]]:
    """The columns whose runs are listed by themselves, and what for."""
    for column, whose in ((host.runs.c.user_id, "user"), (host.runs.c.workspace_id, "workspace")):
        yield (
            column,
            f"for the runs of one {whose}, newest first, and for the {whose}s to choose from.",
        )
    yield host.runs.c.status, "for the runs of some statuses, newest first, however rare they are."


def _order(host: Host) -> tuple[sa.Column[Any], sa.Column[Any]]:
    """The real columns of the list's order."""
    return stored_column(host.runs.c.created_at), stored_column(host.runs.c.thread_id)


def _for_search(host: Host, catalog: Catalog) -> Iterator[Finding | str]:
    """A search looks for a part of two columns' text at once, which takes an index on both."""
    trigram, thread_id = catalog.trigram, stored_column(host.runs.c.thread_id)
    columns = (thread_id, stored_column(host.runs.c.run_name))
    missing = [column for column in columns if not has_trigram(catalog.indexes, column)]
    obstacle = next(
        filter(None, (why_not_advised(catalog, one.table, one) for one in missing)), None
    )
    if obstacle is not None:
        yield obstacle
    elif missing and not trigram.is_available:
        yield (
            "The search for rare words would be helped by trigram indexes, but this server has no "
            "extension pg_trgm: it is part of PostgreSQL's contrib package."
        )
    else:
        if missing and trigram.operator_class is None:
            yield WantedExtension(
                Benefit.SEARCHING,
                "pg_trgm",
                "the indexes below need this extension, which the server has and this database has "
                "not yet. A superuser may create it or, since PostgreSQL 13, a role with CREATE on "
                "the database.",
            )
        for column in missing:
            yield _trigram(catalog, column, is_id=column is thread_id)


def _newest(
    catalog: Catalog,
    benefit: Benefit,
    columns: tuple[sa.Column[Any], ...],
    why: str,
    form: Form = Form.NEWEST_FIRST,
) -> WantedIndex:
    table = columns[0].table
    likely = btree_bytes(catalog.sizes[table.fullname], columns)
    return WantedIndex(benefit, table, columns, form, why, likely)


def _btree(
    catalog: Catalog,
    benefit: Benefit,
    table: sa.Table,
    columns: tuple[sa.Column[Any], ...],
    why: str,
) -> WantedIndex:
    likely = btree_bytes(catalog.sizes[table.fullname], columns)
    return WantedIndex(benefit, table, columns, Form.COLUMNS, why, likely)


def _trigram(catalog: Catalog, column: sa.Column[Any], *, is_id: bool) -> WantedIndex:
    why = (
        f"a rare part of a {'thread id' if is_id else 'name'}, of three characters or more. A "
        "search looks into ids and names at once, so it takes the index on both."
    )
    likely = trigram_bytes(catalog.sizes[column.table.fullname], column, is_id=is_id)
    return WantedIndex(Benefit.SEARCHING, column.table, (column,), Form.TRIGRAMS, why, likely)
