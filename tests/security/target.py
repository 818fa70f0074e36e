"""What is attacked: the real process on a real PostgreSQL, with data that nobody else may see."""

from __future__ import annotations

import secrets
import tempfile
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from runmanager.api.application import PREFIX
from runmanager.demo.postgres import EmbeddedPostgres
from tests.conftest import Server
from tests.hosts import PASSWORD, SHAPES, HostWriter, connect
from tests.processes import COOKIE_KEY, AppProcess, address
from tests.security.wire import Answer, ask, request
from tests.sockets import Socket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import sqlalchemy as sa

JWT_SECRET = "a secret of the attacked, thirty-two bytes or more"
RUNS = 12
_SPEED = {"fsync": "off", "synchronous_commit": "off", "autovacuum": "off", "max_connections": "90"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Instance:
    """One running process; ``port`` is where it listens on the loopback address."""

    app: AppProcess
    base: str = ""

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.app.url.rsplit(":", 1)[1])

    @property
    def url(self) -> str:
        """Its origin: the base path is not in it."""
        return self.app.url

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        seconds: float = 20.0,
    ) -> Answer:
        """What it answers to a request on a connection of its own; ``target`` is sent as it is."""
        own = {"Host": f"localhost:{self.port}", "Connection": "close"} | dict(headers or {})
        return ask(self.port, request(method, target, own, body), seconds)

    def get(self, path: str, cookie: str = "") -> Answer:
        """A page, or another file, below the base path."""
        return self.ask("GET", f"{self.base}{path}", {"Cookie": cookie} if cookie else None)

    def post(self, path: str, fields: Mapping[str, str], cookie: str = "", **more: str) -> Answer:
        """A form of its own pages, sent as a browser sends it."""
        headers = _FORM | {"Origin": self.url} | more
        if cookie:
            headers["Cookie"] = cookie
        body = urlencode(fields).encode()
        # A hash of cost 14 takes seconds, and many on a machine that has other work.
        return self.ask("POST", f"{self.base}{path}", headers, body, seconds=90)

    def sign_in(self, name: str, password: str = PASSWORD) -> str:
        """Sign in by the door; the session's cookie, as a browser would send it back."""
        answer = self.post("/sign-in", {"username": name, "password": password, "next": ""})
        assert answer.status == 303, (answer.status, answer.body[-2000:])
        return "; ".join(one.split(";")[0] for one in answer.all("set-cookie"))

    def sign_out(self, cookie: str, *, everywhere: bool = False) -> None:
        """Sign out by the door."""
        answer = self.post(f"/sign-out{'?everywhere=1' if everywhere else ''}", {}, cookie)
        assert answer.status == 303, (answer.status, answer.body)

    def token(self, name: str, password: str = PASSWORD) -> str:
        """A token of the API's own door."""
        answer = self.post(f"{PREFIX}/token", {"username": name, "password": password})
        found = answer.json()["access_token"]
        assert isinstance(found, str)
        return found

    def api(self, path: str, token: str, method: str = "GET") -> Answer:
        """What the API answers to whoever has this token."""
        headers = {"Authorization": f"Bearer {token}"}
        return self.ask(method, f"{self.base}{PREFIX}{path}", headers)

    def socket(self, cookie: str, session_id: str | None = None) -> Socket:
        """A tab's socket. One that is refused raises InvalidStatus."""
        return Socket.connect(
            self.url, {"Cookie": cookie}, session_id, path=f"{self.base}/_stcore/stream"
        )

    def opened(self, cookie: str, query: str = "") -> Socket:
        """A tab whose first page has been drawn."""
        socket = self.socket(cookie)
        socket.rerun(query_string=query)
        socket.settle()
        assert socket.finished, "the page was not drawn"
        return socket


@dataclass
class Target:
    """A host with runs that are nobody's business, and the processes that serve it.

    Every name, log line and error of its runs holds ``mark``. ``run_id`` is one that an attacker
    may know, and so send: the mark is not in it.
    """

    server: Server
    host: HostWriter
    folder: Path
    state_url: sa.URL
    mark: str = field(default_factory=lambda: f"mark{secrets.token_hex(8)}")
    run_ids: list[str] = field(default_factory=list)
    _started: list[AppProcess] = field(default_factory=list)

    @property
    def run_id(self) -> str:
        """A run's id."""
        return self.run_ids[0]

    @property
    def private(self) -> tuple[bytes, ...]:
        """What must not reach anybody who is not signed in."""
        return self.mark.encode(), b"Merger talks"

    def start(self, *, base: str = "", **settings: str) -> Instance:
        """Start a process, without waiting until it answers; the store is shared by all."""
        environ = {
            "DATABASE_URL": address(self.host.url),
            "RUNMANAGER_COOKIE_KEY": COOKIE_KEY,
            "RUNMANAGER_JWT_SECRET": JWT_SECRET,
            "RUNMANAGER_STATE_URL": address(self.state_url),
            "RUNMANAGER_ARCHIVE": str(self.folder / "archive"),
            "STREAMLIT_SERVER_ADDRESS": "127.0.0.1",
        }
        if base:
            environ["STREAMLIT_SERVER_BASE_URL_PATH"] = base.strip("/")
        log = self.folder / f"process-{len(self._started)}.log"
        app = AppProcess(log, environ | settings)
        self._started.append(app)
        return Instance(app, base)

    def serve(self, *, base: str = "", **settings: str) -> Instance:
        """Start a process, and wait until it answers."""
        instance = self.start(base=base, **settings)
        instance.app.ready(base)
        return instance

    def stop(self, instance: Instance) -> None:
        """End one process."""
        instance.app.stop()

    @property
    def logs(self) -> str:
        """All that the processes have printed."""
        return "\n".join(one.said for one in self._started)

    def add_admin(self, name: str) -> str:
        """Another active admin, with the password of all; their id."""
        return self.host.add_user(name, is_admin=True)

    def close(self) -> None:
        """End the processes and remove the databases."""
        for one in self._started:
            one.stop()
        self.host.connection.close()
        for url in (self.host.url, self.state_url):
            self.server.drop(str(url.database))


def target_on(server: Server, folder: Path) -> Target:
    """A host with private runs on this server; no process yet."""
    shape = SHAPES[0]
    url = server.url(server.create(shape), shape)
    state_url = server.url(server.clone("template0"), shape)
    host = HostWriter(shape, url, connect(url))
    target = Target(server, host, folder, state_url)
    for number in range(RUNS):
        run_id = host.add_run(
            name=f"Merger talks {target.mark} {number}",
            status="failed",
            user=f"boss {target.mark}",
            workspace=f"Board {target.mark}",
            error_message=f"No price yet: {target.mark}",
        )
        host.add_traces(run_id)
        host.execute(
            "INSERT INTO logs (thread_id, level, message, created_at) VALUES (%s, %s, %s, now())",
            run_id, "ERROR", f"Offer refused {target.mark}",
        )  # fmt: skip
        target.run_ids.append(run_id)
    return target


@contextmanager
def own_target() -> Iterator[Target]:
    """A target on a PostgreSQL of its own, for a program that is no test."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        postgres = EmbeddedPostgres(folder / f"postgres-{uuid.uuid4().hex}", settings=_SPEED)
        server = Server(postgres.start())
        try:
            target = target_on(server, folder)
            try:
                yield target
            finally:
                target.close()
        finally:
            server.close()
