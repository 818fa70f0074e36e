"""Whoever is not signed in, at every address, by every method, in every disguise.

    python -m tests.security.anonymous

Two thousand requests and more to the real process, with and without a base path, in the moment
after it has started and later, while an admin is signed in. What may come back is named in
``_is_allowed``; that no other answer does is the promise, and with it that none holds a run's data
and that no socket is opened.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING
from urllib.parse import quote

from runmanager.api.application import PREFIX
from tests.processes import ROOT
from tests.security.report import Report, leave
from tests.security.routes import streamlit_paths
from tests.security.target import Instance, own_target
from tests.security.wire import Answer, ask, handshake

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.security.target import Target

BASE = "/tools/runs"
STREAM = "/_stcore/stream"
METHODS = (
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND",
    "get", "QUERY",
)  # fmt: skip
# The guard's own refusals, and the web server's.
_REFUSALS = {
    b"Sign in to use Run Manager.",
    b"Not Found",
    b"Bad Request",
    b"Method Not Allowed",
    b"Forbidden: sign in from Run Manager's own page.",
    b"Forbidden: sign out from Run Manager's own page.",
    b"Send the fields of the sign-in form.",
    b"Invalid HTTP request received.",
}
_ICON = (ROOT / "pages" / "icon.svg").read_bytes()
_BOOT_SECONDS = 60.0


@dataclass(frozen=True)
class Seen:
    """What an attacker may have seen of an admin's tab: none of it lets anybody in."""

    session_id: str
    identity: Mapping[str, str]


def see_admin(target: Target, instance: Instance) -> tuple[Seen, str]:
    """Sign an admin in who opens a tab; what can be seen of it, and their cookie.

    Once its socket is closed, Streamlit keeps the tab's session for a while, to be resumed.
    """
    cookie = instance.sign_in(target.host.admin.username)
    with instance.opened(cookie) as tab:
        assert target.mark in tab.said, "the admin's own page has the data"
    identity = {
        "X-Run-Manager-User-Id": target.host.admin.user_id,
        "X-Run-Manager-Username": target.host.admin.username,
        "X-Run-Manager-Session": tab.session_id,
        "X-Run-Manager-Fingerprint": "0" * 64,
    }
    return Seen(tab.session_id, identity), cookie


def tricks(path: str) -> Iterator[str]:
    """One path as it is, and in the disguises that have opened other servers."""
    tail = path[1:]
    yield path
    for before in (
        "/", "//", "/.", "/./.", "/%2e", "/x/..", "/x/%2e%2e", "/%2e%2e", "/..", "\\", "/%5c",
        "/%2f", "/static/..", "/media/..", "/sign-in/..", "/sign-in/%2e%2e", "/_stcore/health/..",
        "/favicon.png/..", "/run", "/run/..", f"{PREFIX}/..", f"{PREFIX}/%2e%2e/%2e%2e", PREFIX,
        "/_stcore/health/%2e%2e/%2e%2e", "/;", "/.;", BASE, "/%00", "/%ef%bc%8f", "/%c0%af", "/ ",
        "/~+", "/@localhost",
    ):  # fmt: skip
        yield f"{before}{path}"
    for after in (
        "/", "//", "/.", "/..", ".", "..", "%20", "%00", "%0a", "%0d%0a", ";a=b", "/;a=b", "%3b",
        "?", "?x=1", "?next=/", "%3f", "#x", "%23", "/%2e", "\\", "%5c", "/sign-in",
        "/_stcore/health", "/../sign-in", "/..%2fsign-in", "::$DATA", "~", ".html", ".json",
    ):  # fmt: skip
        yield f"{path}{after}"
    for slash in ("//", "/./", "%2f", "%2F", "%252f", "\\", "%5c", "/%2e/", "/;/"):
        yield f"/{tail.replace('/', slash)}"
        yield path.replace("/", slash)
    yield path.upper()
    yield path.title()
    yield f"/{quote(tail, safe='').replace('_', '%5F').replace('.', '%2E')}"
    yield "/" + "".join(f"%{ord(letter):02x}" for letter in tail)
    yield "/" + "".join(f"%25{ord(letter):02x}" for letter in tail)
    for host in ("http://localhost", "http://127.0.0.1:1", "https://localhost", "ws://localhost"):
        yield f"{host}{path}"


def pages(target: Target) -> list[str]:
    """The addresses that an admin's browser shows."""
    return [
        "/", "/run", f"/run?id={target.run_id}", "/runs", "/?page=2", "/?search=talks",
        f"/run?id={target.run_id}&embed=true", "/shell", "/pages/runs", "/app.py", "/.streamlit",
        "/.streamlit/config.toml", "/.state/runmanager.sqlite", "/.env", "/admin", "/docs",
    ]  # fmt: skip


def api_paths(target: Target) -> list[str]:
    """The API's own addresses, which answer by themselves."""
    run = f"{PREFIX}/runs/{target.run_id}"
    rest = ("runs", "statuses", "histogram", "usernames", "workspaces", "filters", "openapi.json",
            "health", "token", "docs")  # fmt: skip
    return [PREFIX, f"{PREFIX}/", run, f"{run}/logs", f"{run}/checkpoints", f"{run}/blobs",
            f"{PREFIX}/filters/user/values", *(f"{PREFIX}/{one}" for one in rest)]  # fmt: skip


class Anonymous:
    """An attacker at one process."""

    def __init__(self, target: Target, instance: Instance, report: Report) -> None:
        self._target = target
        self._instance = instance
        self._report = report

    def asks(
        self,
        kind: str,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        """Send one request, and judge what came back."""
        answer = self._instance.ask(method, path, headers, body, seconds=15)
        self._report.count(kind)
        self._judge(f"{method} {path} {dict(headers or {})}", answer)

    def knocks(self, kind: str, path: str, headers: Mapping[str, str], *protocols: str) -> None:
        """Try to open a socket, and judge what came back."""
        own = {"Host": f"localhost:{self._instance.port}"} | dict(headers)
        answer = ask(self._instance.port, handshake(path, own, *protocols), 15)
        self._report.count(kind)
        self._judge(f"socket {path} {headers} {protocols}", answer)

    def _judge(self, what: str, answer: Answer) -> None:
        if any(word in answer.raw for word in self._target.private):
            self._report.broke(f"run data: {what}")
        elif not _is_allowed(answer, self._instance.base):
            said = answer.head.split("\r\n")[0]
            self._report.broke(f"{what} -> {said!r} {answer.body[:80]!r}")


def _is_allowed(answer: Answer, base: str) -> bool:
    """Whether it is the sign-in page, health, the icon, an answer of the API or a refusal."""
    kind = answer.header("content-type").partition(";")[0]
    if answer.status == 0:
        # Closed without an answer, or a made-up target that the server's parser gave up at.
        return not answer.raw
    if kind == "text/html":
        policy = answer.header("content-security-policy")
        is_form = b'type="password"' in answer.body or not answer.body
        return policy.startswith("default-src 'none'") and is_form
    if kind == "image/svg+xml":
        return answer.body in {_ICON, b""} and int(answer.header("content-length")) == len(_ICON)
    if kind == "application/json":
        return _is_apis_own(answer)
    if answer.status in {301, 303, 307, 308}:
        return answer.header("location") == f"{base}/" and not answer.body
    if answer.status == 200:
        # Nothing else is as short as health's answer.
        return answer.body in {b"ok", b""} and answer.header("content-length") == "2"
    return answer.status >= 400 and (answer.body in _REFUSALS or not answer.body)


def _is_apis_own(answer: Answer) -> bool:
    if answer.status == 200:
        health = int(answer.header("content-length") or 0) < 40
        return health and (not answer.body or set(answer.json()) == {"status", "database"})
    return 400 <= answer.status < 500 and len(answer.body) < 2000


def attack_by_http(attacker: Anonymous, target: Target, base: str, seen: Seen, step: int) -> None:
    """Routes by methods, routes by tricks, page addresses, the API: every ``step``-th of them."""
    own = [f"{base}{path}" for path in streamlit_paths()]
    for method, path in list(product(METHODS, [*own, f"{base}/sign-in"]))[::step]:
        attacker.asks("routes x methods", method, path)
    disguised = [one for path in own for one in tricks(path)]
    for path in disguised[::step]:
        attacker.asks("routes x path tricks", "GET", path)
    for path in [one for page in pages(target) for one in tricks(f"{base}{page}")][:: 3 * step]:
        attacker.asks("page addresses x path tricks", "GET", path)
    for method, path in list(product(METHODS, api_paths(target)))[::step]:
        attacker.asks("the API without a token", method, f"{base}{path}")
    believed = dict(seen.identity) | {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-User": "ada"}
    for path in [*own, *(f"{base}{page}" for page in pages(target))][::step]:
        attacker.asks("forged identity headers", "GET", path, believed)
    uploads = f"{base}/_stcore/upload_file/{seen.session_id}/x"
    for method in ("PUT", "DELETE", "OPTIONS", "POST"):
        attacker.asks("uploads", method, uploads, {"Content-Type": "text/plain"}, b"x" * 5000)


def attack_by_socket(attacker: Anonymous, url: str, base: str, seen: Seen, step: int) -> None:
    """Every mixture of origin, cookie, identity and session id; then path tricks."""
    origins = (url, None, "http://evil.example", "http://localhost:3000", "null", "file://", "")
    old = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VybmFtZSI6ImFkYSIsImV4cF9kYXRlIjo5OTk5OTk5OTk5fQ.AAAA"
    cookies = (
        "", f"runmanager_session={old}", f"runmanager={old}", "runmanager=",
        f"runmanager={'x' * 50}", f"_streamlit_user={old}; _streamlit_session={old}",
        f"runmanager-device={old}",
    )  # fmt: skip
    identities: tuple[Mapping[str, str], ...] = ({}, seen.identity)
    entries = (
        ("streamlit",), ("streamlit", "TOKEN"), ("streamlit", "TOKEN", seen.session_id),
        ("streamlit", seen.session_id, seen.session_id),
    )  # fmt: skip
    mixtures = list(product(origins, cookies, identities, entries))
    for origin, cookie, identity, protocols in mixtures[::step]:
        headers = dict(identity)
        if origin is not None:
            headers["Origin"] = origin
        if cookie:
            headers["Cookie"] = cookie
        attacker.knocks("sockets", f"{base}{STREAM}", headers, *protocols)
    for path in list(tricks(f"{base}{STREAM}"))[::step]:
        attacker.knocks("sockets x path tricks", path, {"Origin": url}, *entries[2])
    for path in [
        f"{base}{one}" for one in ("/", PREFIX, "/sign-in", "/_stcore/health", "/media/x")
    ]:
        attacker.knocks("sockets elsewhere", path, {"Origin": url}, *entries[2])


def attack_right_after_boot(target: Target, report: Report, base: str) -> Instance:
    """Start a process and ask without a pause, from its first answered connection on."""
    instance = target.start(base=base)
    attacker = Anonymous(target, instance, report)
    paths = [f"{base}{one}" for one in (*pages(target), *streamlit_paths(), *api_paths(target))]
    deadline = time.monotonic() + _BOOT_SECONDS
    while not instance.ask("GET", f"{base}/run?id={target.run_id}", seconds=15).raw:
        assert time.monotonic() < deadline, instance.app.said
    for path in paths:
        attacker.asks("right after boot", "GET", path)
        attacker.knocks("sockets right after boot", f"{base}{STREAM}", {"Origin": instance.url})
    return instance


def attack(target: Target, report: Report, base: str, *, step: int = 1) -> Instance:
    """One process, from its boot on; it goes on to run."""
    instance = attack_right_after_boot(target, report, base)
    attack_running(target, instance, report, step=step)
    return instance


def attack_running(target: Target, instance: Instance, report: Report, *, step: int = 1) -> None:
    """A process that runs, with an admin signed in; the admin still is in the end."""
    attacker = Anonymous(target, instance, report)
    seen, cookie = see_admin(target, instance)
    attack_by_http(attacker, target, instance.base, seen, step)
    attack_by_socket(attacker, instance.url, instance.base, seen, step)
    with instance.opened(cookie) as tab:
        report.require(target.mark in tab.said, "the admin is no longer served")


def main() -> None:
    """Attack, print, and exit 1 where anything got through."""
    report = Report("anonymous")
    with own_target() as target:
        for base in ("", BASE):
            target.stop(attack(target, report, base))
        report.require("Traceback" not in target.logs, "a traceback in the log")
        report.require(report.total >= 1000, "fewer than 1,000 were tried")
    leave(report)


if __name__ == "__main__":
    main()
