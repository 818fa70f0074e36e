"""What Run Manager finds in a database, and what is lacking, as a text to read before the start."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runmanager import accounts
from runmanager.advice.asking import asked_database
from runmanager.advice.catalog import about_rows, read_catalog
from runmanager.advice.sql import Advice, advise
from runmanager.deletion.forms import read_forms, unrestorable
from runmanager.errors import HostError
from runmanager.host.catalog import read_host
from runmanager.host.privileges import statements_of
from runmanager.host.values import (
    LANGGRAPH_TABLES,
    LOG_TABLES,
    Rule,
    settings_name,
    shown_name,
    stored_column,
    tables_behind,
)
from runmanager.logs import one_line
from runmanager.queries.catalog.server import read_server, read_table_names
from runmanager.restoring import undo_lacks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import sqlalchemy as sa

    from runmanager.advice.catalog import Catalog
    from runmanager.host.values import Host, Link, TraceTable
    from runmanager.queries.catalog.server import Server

_WIDTH = 97
_KINDS = {"v": "view", "m": "materialized view", "f": "foreign table", "p": "partitioned table"}


@dataclass
class _Report:
    """A text in parts, each with a heading."""

    blocks: list[str] = field(default_factory=list)

    def add(self, heading: str, lines: Iterable[str], otherwise: str | None = None) -> None:
        """One part; where it has no lines it is ``otherwise``, or left out."""
        found = list(lines) or ([otherwise] if otherwise is not None else [])
        if found:
            self.blocks.append("\n".join([heading.upper(), *map(_item, found)]))

    def add_sql(self, heading: str, statements: Iterable[str]) -> None:
        """Statements to paste, as they are."""
        found = list(statements)
        if found:
            self.blocks.append("\n".join([heading.upper(), *found]))

    def text(self) -> str:
        """All of it."""
        return "\n\n".join(self.blocks) + "\n"


def check_database(environ: Mapping[str, str]) -> tuple[str, bool]:
    """What is found in the database that DATABASE_URL names, and whether all is well.

    It is well where Run Manager starts, lets somebody in, and reads and deletes runs with every
    trace. Raises SettingsError or DatabaseError, in one sentence each.
    """
    report = _Report()
    with asked_database(environ) as (connection, settings):
        report.add("Database", [_about_server(read_server(connection))])
        try:
            host = read_host(connection, settings.conventions)
        except HostError as error:
            names = ", ".join(read_table_names(connection))
            report.add("Run Manager cannot start", [error.message])
            report.add_sql("SQL that would mend this", error.sql)
            report.add("Visible tables and views", [names or "None: is the search_path right?"])
            return report.text(), False
        catalog = read_catalog(connection, host)
        unknown_hashes, admins = accounts.unknown_hashes(connection, host)
        forms = read_forms(connection, host)
        without_undo = (*undo_lacks(connection, host), *unrestorable(forms))
    lacking = [*(lack.fact for lack in host.privileges.lacks), *_nobody(admins)]
    advice, remarks = advise(host, catalog)
    report.add("Found", _found(host, catalog))
    report.add("People", _people(host, unknown_hashes, admins))
    report.add("Goes with a run", _going(host))
    report.add("Is kept, its reference cleared", _links(host, Rule.CLEARS))
    report.add("Is kept, and holds its run", _links(host, Rule.HOLDS))
    report.add("Is left behind", _left_behind(host))
    report.add("Indexes worth having", _indexes(advice, remarks), "All that can be used are there.")
    report.add("What is lacking", lacking)
    report.add_sql("SQL that would mend this", statements_of(host.privileges.lacks))
    report.add("What Undo would need", without_undo)
    report.add("Result", [_result(host, lacking)])
    return report.text(), not lacking


def _about_server(server: Server) -> str:
    return (
        f"PostgreSQL {server.version}, database “{server.database}”, role “{server.role}”, "
        f"search_path {server.search_path}"
    )


def _result(host: Host, lacking: Collection[str]) -> str:
    if not lacking:
        return (
            "All is well: Run Manager starts here, and the role may delete runs with every trace."
        )
    if host.privileges.deleting is not None:
        return "Run Manager starts here, but deletes nothing while this is lacking."
    return "Run Manager starts here, but something is lacking."


def _found(host: Host, catalog: Catalog) -> Iterable[str]:
    people = [table for table in (host.users, host.workspaces) if table is not None]
    named = [trace.table for trace in host.traces if trace.is_named]
    shown = list(dict.fromkeys([host.runs, *people, *named, *(log.table for log in host.logs)]))
    for table in shown:
        known = [one for one in tables_behind(table) if one.info["kind"] != "v"]
        rows = [about_rows(catalog, one) for one in known if one.fullname in catalog.sizes]
        yield f"{shown_name(table)}: {_about(table)}" + (f", {rows[0]}" if rows else "")
    absent = {"workspaces", *LANGGRAPH_TABLES} - {table.name for table in shown}
    if absent:
        yield f"Not on the search_path: {', '.join(sorted(absent))}"
    if not any(table.name in LOG_TABLES for table in shown):
        yield f"Not on the search_path: a table of logs ({' or '.join(LOG_TABLES)})"
    yield from (
        f"{shown_name(column.table)}.{column.name} is {_full(cast.table)}.{cast.name} cast to "
        f"{column.info['type']}"
        for table in shown
        for column in table.c
        if (cast := column.info.get("cast")) is not None
    )
    kind = host.runs.c.created_at.info["type"]
    if kind != "timestamp with time zone":
        yield (
            f"run_metadata.created_at is of type {kind}: what has no zone is taken to be of "
            f"{host.conventions.zone.key} (RUNMANAGER_TIMESTAMP_ZONE)"
        )


def _about(table: sa.Table) -> str:
    kind = _KINDS.get(table.info["kind"], "table")
    if table.info["kind"] != "v":
        return kind
    behind = [one for one in tables_behind(table) if one is not table]
    return f"{kind} of {', '.join(map(_full, behind)) or 'no plain columns of a table'}"


def _full(table: sa.Table) -> str:
    return f"{table.schema}.{table.name}"


def _people(host: Host, unknown_hashes: int, admins: int) -> Iterable[str]:
    yield f"Active admins: {admins}"
    if not accounts.has_passwords(host):
        yield (
            "Users have no password_hash: people sign in by single sign-on, and scripts by a token."
        )
    elif unknown_hashes:
        yield f"Admins whose password cannot be checked, as their hash is unknown: {unknown_hashes}"


def _nobody(admins: int) -> Iterable[str]:
    if not admins:
        yield (
            "No user is an active admin, so nobody can sign in; let the application make one "
            "(users.is_admin)."
        )


def _going(host: Host) -> Iterable[str]:
    yield f"{host.own.name}: the run's own row"
    for trace in host.traces:
        yield f"{trace.name}: {', and '.join(_why_going(host, trace))}"


def _why_going(host: Host, trace: TraceTable) -> Iterable[str]:
    if trace.key is not None and trace.is_named:
        yield f"by {stored_column(trace.key).name}"
    elif trace.key is not None:
        yield f"by its foreign key ({stored_column(trace.key).name})"
    for link in trace.links:
        setting = ", though that foreign key would keep it" if link.is_override else ""
        columns = ", ".join(link.columns)
        yield f"with the row of {host.name_of(link.parent)} that it refers to ({columns}){setting}"


def _links(host: Host, rule: Rule) -> Iterable[str]:
    for link in host.links:
        if link.rule is rule:
            yield f"{_about_link(host, link)}{_cure(host, link)}"


def _about_link(host: Host, link: Link) -> str:
    columns = ", ".join(link.columns)
    return f"{host.name_of(link.child)} ({columns}) refers to {host.name_of(link.parent)}"


def _cure(host: Host, link: Link) -> str:
    if link.rule is not Rule.HOLDS:
        return ""
    if host.is_of_runs(link.child):
        return ": a run goes only together with those that refer to it"
    return f"; with {settings_name(link.child)} in RUNMANAGER_TRACE_TABLES such rows would go"


def _left_behind(host: Host) -> Iterable[str]:
    # Behind a view that is not deleted through are the runs themselves.
    runs = tables_behind(host.runs) if host.runs.name in host.refusals else []
    for trace in (one for one in host.left_behind if one.table not in runs):
        yield (
            f"{trace.name}: has a thread_id and no foreign key by which its rows go; named in "
            "RUNMANAGER_TRACE_TABLES, they would"
        )


def _indexes(advice: Iterable[Advice], remarks: Iterable[str]) -> Iterable[str]:
    wanted = [f"{one.benefit.value}: {one.why}" for one in advice]
    yield from wanted
    yield from remarks
    if wanted:
        yield "`python -m runmanager advise` prints the statements."


def _item(text: str) -> str:
    # A name may hold anything, line breaks and what moves a terminal's cursor too.
    return textwrap.fill(
        one_line(text),
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
