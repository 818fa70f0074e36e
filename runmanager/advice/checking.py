"""What Run Manager finds in a database, and what is lacking, as a text to read before the start."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runmanager import accounts
from runmanager.advice.asking import asked_database
from runmanager.advice.catalog import about_rows, read_catalog
from runmanager.advice.sql import Advice, advise
from runmanager.errors import HostError
from runmanager.host.catalog import read_host
from runmanager.host.values import (
    Rule,
    settings_name,
    shown_name,
    stored_column,
    tables_behind,
)
from runmanager.queries.catalog.server import read_server, read_table_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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

    It is well where Run Manager starts, and reads and deletes runs with every trace. Raises
    SettingsError or DatabaseError, in one sentence each.
    """
    report = _Report()
    with asked_database(environ) as (connection, settings):
        report.add("Database", [_about_server(read_server(connection))])
        try:
            host = read_host(connection, settings.conventions)
        except HostError as error:
            names = read_table_names(connection)
            report.add("Run Manager cannot start", [error.message])
            report.add("Visible tables and views", names, "None: is the search_path right?")
            return report.text(), False
        catalog = read_catalog(connection, host)
        advice, remarks = advise(host, catalog)
    report.add("Found", _found(host, catalog))
    report.add("Goes with a run", _going(host))
    report.add("Is kept, its reference cleared", _links(host, Rule.CLEARS))
    report.add("Is kept, and holds a run", _links(host, Rule.HOLDS))
    report.add("Is left behind", _left_behind(host))
    _add_rights(report, host)
    _add_indexes(report, advice, remarks)
    lacking = len(host.privileges.sentences)
    result = "All is well." if not lacking else f"Lacking: {lacking}, see “The role” above."
    report.add("Result", [result])
    return report.text(), not lacking


def _about_server(server: Server) -> str:
    return (
        f"PostgreSQL {server.version}, database “{server.database}”, role “{server.role}”, "
        f"search_path {server.search_path}"
    )


def _found(host: Host, catalog: Catalog) -> Iterable[str]:
    others = [host.users, host.workspaces]
    named = [host.runs, *(table for table in others if table is not None)]
    for table in (*named, *(log.table for log in host.logs)):
        real = [one for one in tables_behind(table) if one.info["kind"] != "v"]
        yield _about(table) + (f", {about_rows(catalog, real[0])}" if real else "")
    passwords = "have passwords" if accounts.has_passwords(host) else "have no passwords"
    yield f"Users {passwords}. Times without a zone are of {host.conventions.zone.key}."
    yield from (
        f"{shown_name(column.table)}.{column.name} is "
        f"{column.info['cast'].table.name}.{column.info['cast'].name} in another type"
        for table in named
        for column in table.c
        if "cast" in column.info
    )


def _about(table: sa.Table) -> str:
    kind = _KINDS.get(table.info["kind"], "table")
    if table.info["kind"] != "v":
        return f"{shown_name(table)}: {kind}"
    behind = [one for one in tables_behind(table) if one is not table]
    names = ", ".join(f"{one.schema}.{one.name}" for one in behind) or "no table's plain columns"
    return f"{shown_name(table)}: {kind} of {names}"


def _going(host: Host) -> Iterable[str]:
    yield f"{host.own.name}: the run's own row"
    for trace in host.traces:
        yield f"{trace.name}: {_why_going(host, trace)}"


def _why_going(host: Host, trace: TraceTable) -> str:
    whys = []
    if trace.key is not None:
        column = stored_column(trace.key)
        whys.append(f"by {column.name}" if trace.is_named else f"by the foreign key {column.name}")
    whys += [
        f"with {host.name_of(link.parent)} (constraint {link.name}"
        f"{', against its rule, as the settings say' if link.is_override else ''})"
        for link in trace.links
    ]
    by_itself = trace.name in host.privileges.undeletable and not trace.is_named
    return ", ".join(whys) + (", taken along by the database itself" if by_itself else "")


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
    return f": RUNMANAGER_TRACE_TABLES={settings_name(link.child)} would let such rows go"


def _left_behind(host: Host) -> Iterable[str]:
    for trace in host.left_behind:
        yield (
            f"{trace.name} has a column thread_id, but no foreign key by which its rows go: "
            f"RUNMANAGER_TRACE_TABLES={trace.name} would let its rows go"
        )


def _add_rights(report: _Report, host: Host) -> None:
    report.add(
        "The role",
        host.privileges.sentences,
        "It may read everything that belongs to a run, and delete it; no row is hidden from it.",
    )
    report.add_sql("SQL that would mend this", host.privileges.cures)


def _add_indexes(report: _Report, advice: Iterable[Advice], remarks: Iterable[str]) -> None:
    wanted = [f"{one.benefit.value}: {one.why}" for one in advice]
    report.add("Indexes worth having", [*wanted, *remarks], "All that can be used are there.")
    if wanted:
        report.blocks[-1] += "\n" + _item("`python -m runmanager advise` prints the statements.")


def _item(text: str) -> str:
    # A table's name may hold line breaks: filling keeps it on lines of its own.
    return textwrap.fill(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")
