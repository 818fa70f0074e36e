"""What the tests share: a PostgreSQL server, a host's database, and Run Manager opened on it.

Each worker has its own server; each test its own database, cloned from its shape's template.
"""

from __future__ import annotations

import shutil
import sys
import uuid
from contextlib import ExitStack
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from streamlit.components.v2 import manifest_scanner

from pages.passwords import is_password
from runmanager import batches
from runmanager.deletion import execution
from runmanager.demo.postgres import EmbeddedPostgres
from runmanager.service import RunManager
from runmanager.settings import Settings
from runmanager.store import HostIdentity, Store
from runmanager.store.tables import META
from tests import killing
from tests.compiling import compiled_once
from tests.examples import EVERY_POINT
from tests.hosts import SHAPES, HostWriter, Shape, connect
from tests.processes import COOKIE_KEY
from tests.roles import Roles
from tests.stores import StorePlace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import psycopg
    import sqlalchemy as sa

    from runmanager.queries.listing.limits import Limits
    from runmanager.queries.triage.limits import TriageLimits
    from runmanager.records import Actor

hypothesis_settings.register_profile(
    "runmanager",
    deadline=None,
    max_examples=25,
    # A database that is shared by a test's examples is what these tests are about.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
hypothesis_settings.load_profile("runmanager")

_SPEED = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "50",
}


@pytest.fixture(scope="session", autouse=True)
def packages_read_once() -> Iterator[None]:
    """Let Streamlit read what packages are installed once, not at the start of each page's test.

    That took half a second of each.
    """
    with pytest.MonkeyPatch.context() as patch:
        once = cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", once)
        yield


@pytest.fixture(scope="session", autouse=True)
def statements_compiled_once() -> Iterator[None]:
    """Let each test use what another's engine has compiled."""
    with compiled_once():
        yield


@pytest.fixture(autouse=True)
def own_main() -> Iterator[None]:
    """Let a test leave the program's main module as it was.

    A page that runs in this process becomes it, and a process that is started afterwards would run
    that page first.
    """
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


class Server:
    """The worker's PostgreSQL, with one template database for each shape that was asked for."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._postgres = postgres
        self._connection: psycopg.Connection[Any] = connect(postgres.url())
        self._templates: set[str] = set()
        self._roles: set[str] = set()
        self._numbers = count(1)

    def url(self, database: str, shape: Shape) -> sa.URL:
        """The address of one database, with the search_path of its shape."""
        url = self._postgres.url(database)
        if shape.schema == "public":
            return url
        return url.update_query_dict({"options": f"-csearch_path={shape.schema}"})

    def create(self, shape: Shape) -> str:
        """A new database of this shape; its name."""
        template = f"host_{shape.name}"
        if template not in self._templates:
            self._execute(f"CREATE DATABASE {template}")
            with connect(self.url(template, shape)) as connection:
                connection.execute(shape.ddl())
            self._templates.add(template)
        return self.clone(template)

    def create_empty(self) -> str:
        """A new database without any table; its name."""
        return self.clone("template0")

    def add_role(self, name: str) -> None:
        """Let the server know an ordinary role of this name, which may sign in."""
        if name not in self._roles:
            self._execute(f"CREATE ROLE {name} LOGIN")
            self._roles.add(name)

    def clone(self, template: str) -> str:
        """A copy of a database that nobody is connected to; its name."""
        name = f"test_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, database: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self._execute(f"DROP DATABASE {database} WITH (FORCE)")

    def close(self) -> None:
        """Let go of the server, which then stops."""
        self._connection.close()
        self._postgres.close()

    def _execute(self, statement: str) -> None:
        self._connection.execute(statement)


class OpenManager(Protocol):
    """Opens Run Manager on the test's host, with some settings of its own."""

    def __call__(
        self,
        url: sa.URL | None = None,
        limits: Limits | None = None,
        triage_limits: TriageLimits | None = None,
        **settings: Any,
    ) -> RunManager:
        """Every one is closed at the end of the test."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The worker's own PostgreSQL."""
    # pytest gives a folder's name again once it is gone, when its server may still be stopping.
    folder = tmp_path_factory.mktemp(f"postgres-{uuid.uuid4().hex}")
    postgres = EmbeddedPostgres(folder, settings=_SPEED).start()
    server = Server(postgres)
    yield server
    server.close()


@pytest.fixture
def shape(request: pytest.FixtureRequest) -> Shape:
    """The shape of the test's host: text ids, unless ``every_shape`` says otherwise."""
    wanted = getattr(request, "param", "text")
    return next(shape for shape in SHAPES if shape.name == wanted)


every_shape = pytest.mark.parametrize("shape", [one.name for one in SHAPES], indirect=True)


@pytest.fixture
def host(server: Server, shape: Shape) -> Iterator[HostWriter]:
    """The test's own database, with an admin and nothing else in it."""
    database = server.create(shape)
    url = server.url(database, shape)
    with connect(url) as connection:
        yield HostWriter(shape, url, connection)
    server.drop(database)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of SQLite with its tables and of no host, to be copied: migrations take a while."""
    folder = tmp_path_factory.mktemp("store")
    nobody = HostIdentity(system=None, database=0, name="")
    store = Store.open(folder=folder, url=None, host=nobody)
    with store.write() as connection:
        connection.execute(META.delete())
    store.close()
    return folder


@pytest.fixture
def state_dir(empty_store: Path, tmp_path: Path) -> Path:
    """The folder of the test's own store."""
    folder = tmp_path / "state"
    shutil.copytree(empty_store, folder)
    return folder


@pytest.fixture
def roles(host: HostWriter) -> Iterator[Roles]:
    """Makes roles on the test's own database."""
    made = Roles(host)
    yield made
    made.drop()


@pytest.fixture
def open_manager(host: HostWriter, state_dir: Path) -> Iterator[OpenManager]:
    """Opens Run Manager on the host after the test has changed its schema or settings."""
    with ExitStack() as stack:

        def open_one(
            url: sa.URL | None = None,
            limits: Limits | None = None,
            triage_limits: TriageLimits | None = None,
            **settings: Any,
        ) -> RunManager:
            values: dict[str, Any] = {
                "pool_size": 4,
                "lock_timeout": 0.3,
                "state_dir": state_dir,
                "cookie_keys": (COOKIE_KEY,),
            } | settings
            manager = RunManager.open(
                url or host.url, Settings(**values), is_password, limits, triage_limits
            )
            stack.callback(manager.close)
            return manager

        yield open_one


@pytest.fixture
def manager(open_manager: OpenManager) -> RunManager:
    """Run Manager, opened on the host as its shape made it."""
    return open_manager()


@pytest.fixture
def admin(host: HostWriter) -> Actor:
    """An active admin of the host."""
    return host.admin


@pytest.fixture(scope="session")
def every_point() -> bool:
    """Whether a fault is tried at every point where it can be (`make fuzz`), or at some of them."""
    return EVERY_POINT


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small batches of a process that is killed, in the test's own process too."""
    monkeypatch.setattr(batches, "BATCH_SIZE", batches.BATCH_SIZE)
    monkeypatch.setattr(batches, "LOCKED_SECONDS", batches.LOCKED_SECONDS)
    monkeypatch.setattr(execution, "CHUNK_RUNS", execution.CHUNK_RUNS)
    monkeypatch.setattr(execution, "PATIENCE_SECONDS", execution.PATIENCE_SECONDS)
    killing.small()


@pytest.fixture
def store_kind(request: pytest.FixtureRequest) -> str:
    """What keeps the test's store: SQLite, unless ``every_store`` says otherwise."""
    return str(getattr(request, "param", "sqlite"))


every_store = pytest.mark.parametrize("store_kind", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def store_place(
    request: pytest.FixtureRequest, store_kind: str, tmp_path: Path
) -> Iterator[StorePlace]:
    """A place for the test's store, with nothing in it yet."""
    folder = tmp_path / "state"
    if store_kind == "sqlite":
        yield StorePlace(folder, None)
        return
    server: Server = request.getfixturevalue("server")
    database = server.clone("template0")
    yield StorePlace(folder, server.url(database, SHAPES[0]))
    server.drop(database)


@pytest.fixture
def store(store_place: StorePlace) -> Iterator[Store]:
    """The test's store, opened."""
    store = store_place.open()
    yield store
    store.close()
