"""Secrets stay secret while a thousand things go wrong.

    python -m tests.security.planted_secrets

Planted: the passwords of both databases, the keys of cookies and tokens, an admin's password and
its hash, session ids, cookies and tokens. Provoked: a database that is away, wrong types, hostile
values in the API, in the address and in widgets, refused sign-ins, and settings that do not fit.
None of the secrets may stand in an answer, in a page, in the log, in the store, or in the list of
processes. Only what was asked for may hold its own: the cookie of a sign-in, the token of a token.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from streamlit.proto.WidgetStates_pb2 import WidgetState

from runmanager.api.application import PREFIX
from tests.hosts import connect
from tests.outage import away
from tests.passwords import password_hash
from tests.processes import AppProcess, address
from tests.security.report import Report, leave
from tests.security.target import own_target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.security.target import Instance, Target
    from tests.sockets import Socket

PROC = Path("/proc")
HOSTILE = (
    "'", "' OR 1=1 --", '"; DROP TABLE users; --', "\0", "%00", "\ud800", "9" * 30, "-1", "0",
    "1e999", "NaN", "null", "[]", "{}", "../../etc/passwd", "${jndi:ldap://x}", "{{7*7}}", "%s%s%n",
    "\r\nX: y", "<script>", "\u202e", "\uffff", "A" * 3000, "infinity",
    "0001-01-01 BC", "\\", "%", "_", "true",
)  # fmt: skip
_BODIES = (
    '{"thread_ids": [1]}', '{"thread_ids": null}', '{"thread_ids": ["\\u0000"]}', "[" * 4000,
    '{"thread_ids": {}}',
)  # fmt: skip
_START_SECONDS = 30.0


@dataclass
class Planted:
    """The secrets by what they are; more are found out while the process runs."""

    texts: dict[str, str] = field(default_factory=dict)

    def new(self, what: str) -> str:
        """A secret that nothing else looks like."""
        self.texts[what] = secrets.token_hex(24)
        return self.texts[what]

    def found_in(self, text: str) -> list[str]:
        """Which of them stand in this text."""
        return [what for what, one in self.texts.items() if one in text]


class Witness:
    """Looks at all that comes out of the process."""

    def __init__(self, planted: Planted, report: Report) -> None:
        self._planted = planted
        self._report = report

    def saw(self, where: str, text: str) -> None:
        """Look at this text."""
        for what in self._planted.found_in(text):
            self._report.broke(f"{what} in {where}")

    def provoked(self, kind: str, where: str, text: str) -> None:
        """The same for what came of one provocation."""
        self._report.count(kind)
        self.saw(where, text)


def start(target: Target, planted: Planted) -> Instance:
    """A process whose every secret is planted."""
    password = planted.new("an admin's password")
    planted.texts["an admin's hash"] = password_hash(password)
    target.host.execute(
        "UPDATE users SET password_hash = %s WHERE username = 'ada'",
        planted.texts["an admin's hash"],
    )
    return target.serve(
        DATABASE_URL=address(target.host.url.set(password=planted.new("DATABASE_URL's password"))),
        RUNMANAGER_STATE_URL=address(
            target.state_url.set(password=planted.new("RUNMANAGER_STATE_URL's password"))
        ),
        RUNMANAGER_COOKIE_KEY=",".join(map(planted.new, ("the cookie key", "the old cookie key"))),
        RUNMANAGER_JWT_SECRET=planted.new("the JWT secret"),
    )


def sign_in(instance: Instance, planted: Planted) -> tuple[str, str]:
    """A cookie and a token, which are secrets too from here on."""
    password = planted.texts["an admin's password"]
    cookie, token = instance.sign_in("ada", password), instance.token("ada", password)
    planted.texts["a session's cookie"] = cookie.split("; ")[0].split("=", 1)[1]
    planted.texts["a token"] = token
    return cookie, token


def provoke_api(instance: Instance, token: str, witness: Witness, kind: str, number: int) -> None:
    """Hostile values wherever the API takes one."""
    shapes = (
        ("GET", "/runs?search={}"), ("GET", "/runs?page={}"), ("GET", "/runs?page_size={}"),
        ("GET", "/runs/{}"), ("GET", "/runs/{}/logs"), ("GET", "/runs/{}/checkpoints/{}"),
        ("GET", "/runs?{}=1"), ("GET", "/filters/{}/values"), ("GET", "/{}"), ("PUT", "/{}"),
        ("GET", "/runs/{}/text/{}"), ("GET", "/runs?username={}&workspace={}"),
        ("GET", "/runs?status={}&error={}"), ("GET", "/runs?after={}"), ("GET", "/runs?sort={}"),
        ("GET", "/statuses?since={}"), ("GET", "/histogram?zone={}"),
    )  # fmt: skip
    pairs = ((method, shape, value) for value in HOSTILE for method, shape in shapes)
    for method, shape, value in islice(cycle(pairs), number):
        quoted = quote(value.encode(errors="surrogatepass"), safe="")
        answer = instance.api(shape.replace("{}", quoted), token, method)
        witness.provoked(kind, f"an answer of the API to {shape}", answer.text)


def provoke_bodies(instance: Instance, token: str, witness: Witness) -> None:
    """Hostile bodies, and credentials that are none."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for value in (*HOSTILE, *_BODIES):
        body = value.encode(errors="surrogatepass")
        for method, path in (
            ("DELETE", "/runs"), ("POST", "/deletion-plan"), ("POST", "/token"),
            ("POST", "/operations"), ("POST", "/operations/none/restore"),
        ):  # fmt: skip
            answer = instance.ask(method, f"{PREFIX}{path}", headers, body)
            witness.provoked("API, hostile bodies", f"an answer to {path}", answer.text)
    for value in HOSTILE:
        answer = instance.api("/runs", quote(value.encode(errors="surrogatepass")))
        witness.provoked("API, bad tokens", "an answer to a bad token", answer.text)


def provoke_pages(instance: Instance, cookie: str, witness: Witness) -> None:
    """Hostile addresses, and sign-ins that are refused."""
    for value in HOSTILE:
        quoted = quote(value.encode(errors="surrogatepass"), safe="")
        for path in (f"/?search={quoted}", f"/run?id={quoted}", f"/{quoted}", f"/media/{quoted}"):
            answer = instance.get(path, cookie)
            witness.provoked("hostile addresses", f"the answer to {path}", answer.text)
    for name in ("nobody", "ada "):
        answer = instance.post("/sign-in", {"username": name, "password": "wrong"})
        witness.provoked("refused sign-ins", "the sign-in page", answer.text)


def hostile_states(tab: Socket) -> Iterable[WidgetState]:
    """Every widget of the page, with every value that it cannot have, and some that are none."""
    for widget_id in (*tab.widget_ids, "$$ID-0-x", "x"):
        for fields in (
            {"string_value": "x"}, {"int_value": -(2**62)}, {"double_value": float("nan")},
            {"bool_value": True}, {"json_value": '{"edited_rows": {"999": {"select": 1}}}'},
            {"string_value": '{"edited_rows": {"x": 1}}'}, {"string_value": "\0"},
            {"bytes_value": b"\xff"}, {"trigger_value": True},
        ):  # fmt: skip
            found: Any = WidgetState(id=widget_id)
            for name, value in fields.items():
                setattr(found, name, value)
            yield found


def provoke_widgets(tab: Socket, witness: Witness, number: int) -> None:
    """Hostile widget values, addresses and pages, over an admin's own socket."""
    for state in islice(cycle(hostile_states(tab)), number):
        tab.rerun(state)
        came = tab.settle(quiet=0.05, patience=2)
        witness.provoked("hostile widget values", "a page", "\n".join(map(str, came)))
        if tab.is_closed:
            return
    for value in HOSTILE[:8]:
        query = quote(value.encode(errors="surrogatepass"), safe="")
        tab.rerun(query_string=f"id={query}&page={query}&search={query}", page_name="run")
        came = tab.settle(quiet=0.05, patience=2)
        witness.provoked("hostile queries of a page", "a page", "\n".join(map(str, came)))


def provoke_outage(
    target: Target, instance: Instance, cookie: str, token: str, witness: Witness
) -> None:
    """The host's database goes away under an open page."""
    with instance.opened(cookie) as tab, away(target.host):
        provoke_api(instance, token, witness, "API, the database is away", 60)
        password = {"username": "ada", "password": "wrong"}
        for path in ("/sign-in", f"{PREFIX}/token"):
            answer = instance.post(path, password)
            witness.provoked("database away", f"the answer of {path}", answer.text)
        for _n in range(5):
            tab.rerun()
            came = tab.settle(patience=8)
            witness.provoked("database away", "a page", "\n".join(map(str, came)))
            answer = instance.get("/", cookie)
            witness.provoked("database away", "the page", answer.text)


def bad_settings(target: Target, planted: Planted) -> list[dict[str, str]]:
    """Settings that do not fit, each with a secret in it."""
    url, password = target.host.url, planted.texts["DATABASE_URL's password"]
    good = {
        "DATABASE_URL": address(url.set(password=password)),
        "RUNMANAGER_COOKIE_KEY": planted.texts["the cookie key"],
        "RUNMANAGER_STATE_DIR": str(target.folder / "state"),
        "RUNMANAGER_ARCHIVE": str(target.folder / "other-archive"),
    }
    host = f"postgresql://ada:{password}@"
    wrong = (
        {"DATABASE_URL": f"{host}127.0.0.1:1/none"}, {"DATABASE_URL": f"{host}127.0.0.1:x/none"},
        {"DATABASE_URL": f"mysql://ada:{password}@localhost/none"}, {"DATABASE_URL": password},
        {"DATABASE_URL": f"{host}[::1/none"},
        {"DATABASE_URL": f"{host}localhost/none?sslmode={password}"},
        {"RUNMANAGER_COOKIE_KEY": password[:20]},
        {"RUNMANAGER_JWT_SECRET": good["RUNMANAGER_COOKIE_KEY"]},
        {"RUNMANAGER_JWT_PUBLIC_KEY": password}, {"RUNMANAGER_STATE_URL": good["DATABASE_URL"]},
        {"RUNMANAGER_STATE_URL": f"{host}127.0.0.1:1/none"},
        {"RUNMANAGER_READ_URL": f"{host}127.0.0.1:1/x"},
        {"RUNMANAGER_PROXY_SECRET": password}, {"RUNMANAGER_OIDC_CLIENT_SECRET": password},
        {"RUNMANAGER_POOL_SIZE": password},
    )  # fmt: skip
    return [good | one for one in wrong]


def provoke_start(
    target: Target, planted: Planted, witness: Witness, report: Report, number: int
) -> None:
    """Starts that are refused, or that cannot reach what they are told of."""
    for place, settings in enumerate(bad_settings(target, planted)[:number]):
        app = AppProcess(target.folder / f"bad-{place}.log", settings)
        deadline = time.monotonic() + _START_SECONDS
        try:
            while app.process.poll() is None and time.monotonic() < deadline:
                witness.saw("the list of processes", process_list())
                time.sleep(0.3)
        finally:
            app.stop()
        witness.provoked("bad start settings", f"the log of start {place}", app.said)
        report.require("Traceback" not in app.said, f"a traceback in the log of start {place}")


def process_list() -> str:
    """Every command line of this machine."""
    found = []
    for path in PROC.glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


def attack(
    target: Target, report: Report, *, calls: int = 520, widgets: int = 150, starts: int = 99
) -> None:
    """Provoke, and look everywhere."""
    planted = Planted()
    witness = Witness(planted, report)
    instance = start(target, planted)
    cookie, token = sign_in(instance, planted)
    provoke_api(instance, token, witness, "API, hostile values", calls)
    provoke_bodies(instance, token, witness)
    provoke_pages(instance, cookie, witness)
    with instance.opened(cookie) as tab:
        planted.texts["a tab's session id"] = tab.session_id
        witness_of_pages = Witness(
            Planted({**planted.texts, "a tab's session id": "\0none\0"}), report
        )
        provoke_widgets(tab, witness_of_pages, widgets)
    with instance.socket(cookie, planted.texts["a tab's session id"]) as again:
        again.rerun()
        again.settle()
    provoke_outage(target, instance, cookie, token, witness_of_pages)
    provoke_start(target, planted, witness, report, starts)
    witness.saw("the list of processes", process_list())
    witness.saw("the log", target.logs)
    witness.saw("the store", stored(target))
    report.require("Traceback" not in target.logs, "a traceback in the log")
    target.stop(instance)


def stored(target: Target) -> str:
    """All that the store holds, as text."""
    with connect(target.state_url) as connection:
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        tables = [
            connection.execute(f"SELECT t::text FROM {name} t").fetchall()  # noqa: S608
            for (name,) in names
        ]
    return "\n".join(row for table in tables for (row,) in table)


def main() -> None:
    """Provoke, print, and exit 1 where a secret was seen."""
    report = Report("planted secrets")
    with own_target() as target:
        attack(target, report)
    report.require(report.total >= 1000, "fewer than 1,000 were provoked")
    leave(report)


if __name__ == "__main__":
    main()
