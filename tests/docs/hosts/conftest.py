"""A public application's database, in place of the host that other tests make up."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.docs.hosts.public_hosts import PUBLIC_HOSTS, PublicDatabase, PublicHost
from tests.hosts import SHAPES, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.conftest import OpenManager, Server


@pytest.fixture(params=PUBLIC_HOSTS, ids=lambda one: one.name)
def public_host(request: pytest.FixtureRequest) -> PublicHost:
    """The public application that the test is about: each in turn."""
    found: PublicHost = request.param
    return found


@pytest.fixture(scope="session")
def template_of(server: Server) -> Callable[[PublicHost], str]:
    """The database of an application with its rows and the views of its page, to be cloned."""

    @cache
    def make(public_host: PublicHost) -> str:
        database = server.create_empty()
        url = server.url(database, SHAPES[0])
        with connect(url) as connection:
            made = PublicDatabase(public_host, url, connection)
            made.fill()
            for heading in ("Views", "Threads that are there already"):
                made.do_as_documented(heading)
        return database

    return make


@pytest.fixture
def host(
    server: Server, template_of: Callable[[PublicHost], str], public_host: PublicHost
) -> Iterator[PublicDatabase]:
    """Its database after its admin has done what its page in docs/hosts/ says."""
    database = server.clone(template_of(public_host))
    url = server.url(database, SHAPES[0])
    with connect(url) as connection:
        made = PublicDatabase(public_host, url, connection)
        made.do_as_documented("Role")
        yield made
        made.drop_role()
    server.drop(database)


@pytest.fixture
def manager(host: PublicDatabase, open_manager: OpenManager) -> RunManager:
    """Run Manager as its page starts it: by that role, with those settings."""
    return open_manager(host.role_url, trace_tables=host.of.trace_tables)


@pytest.fixture
def admin(host: PublicDatabase) -> Actor:
    """The admin that its page names."""
    return host.person("ada")
