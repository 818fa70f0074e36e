"""docs/hosts/: the role that each page makes may do what is needed, and nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runmanager.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.docs.hosts.public_hosts import PublicDatabase


def grants(host: PublicDatabase) -> Iterator[tuple[str, str]]:
    """Each right on each thing that the page grants."""
    (block,) = host.of.document.blocks("sql", below="Role")
    for rights, things in re.findall(r"^GRANT (.+) ON (.+) TO runmanager;$", block, re.M):
        for right in re.split(r", (?![^(]*\))", rights):
            for thing in things.split(", "):
                yield right, thing


def lacks_something(host: PublicDatabase, open_manager: OpenManager) -> bool:
    """Whether Run Manager, started anew, says that the role lacks a right."""
    try:
        manager = open_manager(host.role_url, trace_tables=host.of.trace_tables)
    except HostError:
        return True
    return bool(manager.deleting.denied or manager.reviewing.unreadable)


def test_the_role_that_its_page_makes_lacks_nothing(manager: RunManager) -> None:
    assert manager.deleting.denied is None
    assert manager.reviewing.unreadable == {}


def test_each_right_that_its_page_grants_is_needed(
    host: PublicDatabase, open_manager: OpenManager
) -> None:
    for right, thing in grants(host):
        host.execute(f"REVOKE {right} ON {thing} FROM {host.role}")
        assert lacks_something(host, open_manager), (right, thing)
        host.execute(f"GRANT {right} ON {thing} TO {host.role}")
    assert not lacks_something(host, open_manager)


def test_the_role_that_its_page_makes_writes_nowhere(host: PublicDatabase) -> None:
    granted = host.execute(
        "SELECT privilege_type FROM pg_class, aclexplode(relacl) WHERE grantee = %s::regrole"
        " UNION SELECT privilege_type FROM pg_attribute, aclexplode(attacl)"
        " WHERE grantee = %s::regrole AND privilege_type <> 'UPDATE'",
        host.role,
        host.role,
    )
    assert {privilege for (privilege,) in granted} <= {"SELECT", "DELETE"}
