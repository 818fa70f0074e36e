"""docs/hosts/: the role that each page makes may do what is needed, and nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runmanager.deletion.forms import read_forms, unrestorable
from runmanager.errors import HostError
from runmanager.restoring import undo_lacks
from runmanager.restoring.lacks import _as_archived
from runmanager.restoring.sequences import read_numbered
from runmanager.restoring.targets import read_targets
from tests.restoring import undoing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from runmanager.host.values import Host
    from runmanager.service import RunManager
    from tests.docs.hosts.public_hosts import PublicDatabase


def grants(host: PublicDatabase) -> Iterator[tuple[str, str]]:
    """Each right on each thing that the page grants."""
    (block,) = host.of.document.blocks("sql", below="Role")
    for rights, things in re.findall(r"^GRANT (.+) ON (.+) TO runmanager;$", block, re.M):
        for right in re.split(r", (?![^(]*\))", rights):
            for thing in things.split(", "):
                yield right, thing


def lacks_something(host: PublicDatabase) -> bool:
    """Whether Run Manager, started anew, would say that the role lacks a right, or Undo does."""
    with undoing(host.role_url, host.of.trace_tables) as undo, undo.database.read() as connection:
        try:
            found = undo.host(connection)
        except HostError:
            return True
        lacks = undo_lacks(connection, found) + unrestorable(read_forms(connection, found))
        return bool(found.privileges.sentences or lacks or cannot_number(connection, found))


def cannot_number(connection: sa.Connection, host: Host) -> bool:
    """Whether there is a sequence that a restore could not look at or move on."""
    tables = [_as_archived(trace) for trace in (host.own, *host.traces)]
    targets, _unplaced = read_targets(connection, host, tables)
    numbered = read_numbered(connection, targets)
    sequences = [sequence for found in numbered.values() for _column, sequence in found]
    return not all(sequence.may_look and sequence.may_set for sequence in sequences)


def test_the_role_that_its_page_makes_lacks_nothing(manager: RunManager) -> None:
    assert manager.deleting.denied is None
    assert manager.reviewing.unreadable == {}


def test_each_right_that_its_page_grants_is_needed(host: PublicDatabase) -> None:
    for right, thing in grants(host):
        host.execute(f"REVOKE {right} ON {thing} FROM {host.role}")
        assert lacks_something(host), (right, thing)
        host.execute(f"GRANT {right} ON {thing} TO {host.role}")
    assert not lacks_something(host)


def test_the_role_that_its_page_makes_changes_no_row(host: PublicDatabase) -> None:
    granted = host.execute(
        "SELECT privilege_type FROM pg_class, aclexplode(relacl) WHERE grantee = %s::regrole"
        " AND relkind <> 'S'"
        " UNION SELECT privilege_type FROM pg_attribute, aclexplode(attacl)"
        " WHERE grantee = %s::regrole AND privilege_type <> 'UPDATE'",
        host.role,
        host.role,
    )
    assert {privilege for (privilege,) in granted} <= {"SELECT", "INSERT", "DELETE"}
