"""docs/hosts/: the role that each page makes may do what is needed, and nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runmanager.conventions import Conventions
from runmanager.database import Database
from runmanager.errors import HostError
from runmanager.host.catalog import read_host
from runmanager.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """Whether Run Manager, started anew, would say that the role lacks a right."""
    database = Database(host.role_url, Settings(pool_size=2))
    try:
        with database.read() as connection:
            found = read_host(connection, Conventions(trace_tables=host.of.trace_tables))
    except HostError:
        return True
    finally:
        database.close()
    return bool(found.privileges.sentences)


def test_the_role_that_its_page_makes_lacks_nothing(manager: RunManager) -> None:
    assert manager.deleting.denied is None
    assert manager.reviewing.unreadable == {}


def test_each_right_that_its_page_grants_is_needed(host: PublicDatabase) -> None:
    for right, thing in grants(host):
        host.execute(f"REVOKE {right} ON {thing} FROM {host.role}")
        assert lacks_something(host), (right, thing)
        host.execute(f"GRANT {right} ON {thing} TO {host.role}")
    assert not lacks_something(host)


def test_the_role_that_its_page_makes_writes_nowhere(host: PublicDatabase) -> None:
    granted = host.execute(
        "SELECT privilege_type FROM pg_class, aclexplode(relacl) WHERE grantee = %s::regrole"
        " UNION SELECT privilege_type FROM pg_attribute, aclexplode(attacl)"
        " WHERE grantee = %s::regrole AND privilege_type <> 'UPDATE'",
        host.role,
        host.role,
    )
    assert {privilege for (privilege,) in granted} <= {"SELECT", "DELETE"}
