"""Who the dashboard is told is signed in: only the guard says so, whatever a client sends."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from runmanager.api.application import PREFIX
from runmanager.entrance.identity import HEADERS, Identity, read_identity
from runmanager.records import Actor, Ticket
from tests.api.conftest import token
from tests.entrance.conftest import HOST, SECRET, Browser
from tests.processes import ROOT

if TYPE_CHECKING:
    from tests.entrance.conftest import Headers
    from tests.hosts import HostWriter

KEPT_BACK = {"cookie", "origin", "authorization"}


def told(browser: Browser) -> dict[str, list[str]]:
    """By name, the identity headers that the dashboard got with its last request."""
    found: dict[str, list[str]] = {}
    for name, value in browser.site.dashboard.headers:
        if name.replace("_", "-").startswith("x-run-manager-"):
            found.setdefault(name, []).append(value)
    return found


def lies() -> list[tuple[str, str]]:
    """Headers by which a client says that it is somebody else, written in several ways."""
    return [
        (written, "eve") for name in HEADERS for written in (name, name.upper(), name.title(), name)
    ]


def test_a_socket_is_told_who_is_signed_in(ada: Browser, host: HostWriter) -> None:
    assert ada.opens_socket
    found = told(ada)
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(HEADERS, 1)
    identity = read_identity({HEADERS[name]: values[0] for name, values in found.items()})
    assert identity is not None
    assert identity.actor == host.admin
    assert ada.site.manager.signing_in.actor_of(identity.ticket) == host.admin


def test_what_a_client_says_of_itself_is_not_passed_on(ada: Browser, host: HostWriter) -> None:
    assert ada.opens_socket
    honest = told(ada)
    own: Headers = [
        ("host", HOST), ("origin", f"http://{HOST}"), ("cookie", f"runmanager={ada.session_cookie}")
    ]  # fmt: skip
    for headers in ([*lies(), *own], [*own, *lies()], [*lies(), *own, *lies()]):
        socket = ada.site.socket("/_stcore/stream", headers)
        assert socket.is_open
        socket.close()
        assert told(ada) == honest
        assert ada.site.ask("GET", "/run?id=x", headers).status == 200
        assert told(ada) == {}
        assert ada.site.ask("GET", "/_stcore/health", headers).status == 200
        assert told(ada) == {}


def test_what_a_stranger_says_opens_nothing(browser: Browser) -> None:
    headers = [("host", HOST), ("origin", f"http://{HOST}"), *lies()]
    assert not browser.site.socket("/_stcore/stream", headers).is_open
    assert browser.site.ask("GET", "/", headers).is_sign_in_page
    assert browser.site.dashboard.requests == []


def test_a_name_that_is_only_alike_is_not_the_name(ada: Browser) -> None:
    assert ada.opens_socket
    honest = told(ada)
    for written in ("x_run_manager_user_id", "x-run-manager-user_id", "user_id"):
        seen = len(ada.site.dashboard.requests)
        ada.socket(**{written: "eve"}).close()
        assert len(ada.site.dashboard.requests) == seen + 1, written
        found = {name: one for name, one in told(ada).items() if name in HEADERS}
        assert found == honest, written


def test_secrets_and_the_origin_stay_with_the_guard(ada: Browser) -> None:
    ada.get("/run?id=x", origin="https://evil.example", authorization="Bearer x", accept="a")
    names = {name for name, _value in ada.site.dashboard.headers}
    assert names & KEPT_BACK == set()
    assert {"host", "accept"} <= names
    ada.socket(Cookie=f"runmanager={ada.session_cookie}", Authorization="Bearer x").close()
    assert {name for name, _value in ada.site.dashboard.headers} & KEPT_BACK == set()
    ada.site.ask("GET", "/_stcore/health", {"host": HOST, "cookie": "a=b", "origin": "null"})
    assert {name for name, _value in ada.site.dashboard.headers} & KEPT_BACK == set()


def test_the_api_is_told_its_token(ada: Browser, host: HostWriter) -> None:
    bearer = f"Bearer {token(host.admin.user_id, key=SECRET)}"
    assert ada.get(f"{PREFIX}/runs", authorization=bearer).status == 200
    assert ada.get(f"{PREFIX}/runs").status == 401


def test_streamlit_trusts_exactly_these_headers() -> None:
    text = (ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["server"]["trustedUserHeaders"] == HEADERS


@pytest.mark.parametrize("text", ["ada", "Zoë 🦉", "a%20b", "a,b;c", "x\r\nSet-Cookie: a", ""])
def test_an_identity_is_one_again_whatever_its_letters(text: str) -> None:
    identity = Identity(Actor(f"id {text}", f"n {text}"), Ticket("s", f"id {text}", "f"))
    headers = identity.headers()
    assert all(value.isascii() and value.decode().isprintable() for _name, value in headers)
    found = {HEADERS[name.decode()]: value.decode() for name, value in headers}
    assert read_identity(found) == identity
