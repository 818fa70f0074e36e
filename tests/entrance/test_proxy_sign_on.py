"""Single sign-on by a proxy: it is believed with its secret, from its address."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from runmanager.setting_values import networks
from tests.hosts import PASSWORD
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.entrance.browsing import Visitor
    from tests.entrance.conftest import Serve
    from tests.hosts import HostWriter

SECRET, OTHER = secrets.token_hex(32), secrets.token_hex(32)
USER, KEY = "X-Remote-User", "X-Run-Manager-Proxy-Secret"
SETTINGS: dict[str, Any] = {
    "proxy_user_header": USER,
    "proxy_secrets": (SECRET, OTHER),
    "trusted_proxies": networks("RUNMANAGER_TRUSTED_PROXIES", "127.0.0.1"),
}
ADA = {USER: "ada", KEY: SECRET, "X-Forwarded-For": "203.0.113.9"}


def is_page(answer: httpx2.Response) -> bool:
    """Whether a page is shown, and not the way in."""
    return answer.status_code == 200 and answer.headers["content-type"] == "application/json"


def test_who_the_proxy_names_is_let_in_at_the_page_that_was_asked_for(
    serve: Serve, visitor: Callable[..., Visitor]
) -> None:
    browser = visitor(serve(**SETTINGS))
    answer = browser.get("/run?id=1", headers=ADA)
    assert (answer.status_code, answer.headers["location"]) == (303, "/run?id=1")
    assert any("HttpOnly; SameSite=Lax" in one for one in answer.headers.get_list("set-cookie"))
    shown = browser.get("/run?id=1", headers=ADA)
    assert is_page(shown)
    told = {name for name, _value in shown.json()["headers"]}
    assert not told & {USER.lower(), KEY.lower()}
    # The cookie counts from here on: what a socket and a picture are asked for with.
    assert is_page(browser.get("/"))


def test_without_the_secret_and_one_name_nobody_is_let_in(
    serve: Serve, visitor: Callable[..., Visitor]
) -> None:
    url = serve(**SETTINGS)
    wrong: list[Any] = [
        {USER: "ada"},
        {USER: "ada", KEY: ""},
        {USER: "ada", KEY: "x" * 64},
        {USER: "ada", KEY: SECRET[:-1]},
        {USER: "ada", KEY: f"{SECRET}, {SECRET}"},
        [(USER, "ada"), (KEY, SECRET), (KEY, SECRET)],
        [(USER, "ada"), (KEY, "x" * 64), (KEY, SECRET)],
        [(USER, "ada"), (USER, "ada"), (KEY, SECRET)],
        [(USER, "kate"), (USER, "ada"), (KEY, SECRET)],
        {KEY: SECRET},
        {USER: "", KEY: SECRET},
        [(USER.encode(), b"ada\xc2\x85"), (KEY.encode(), SECRET.encode())],
        {"X_Remote_User": "ada", KEY: SECRET},
        {USER: "ada", "X_Run_Manager_Proxy_Secret": SECRET},
    ]
    for headers in wrong:
        browser = visitor(url)
        answer = browser.get("/", headers=headers)
        assert answer.status_code == 200, headers
        assert 'name="password"' in answer.text, headers
        assert browser.cookie is None, headers


def test_from_another_address_the_secret_is_worth_nothing(
    serve: Serve, visitor: Callable[..., Visitor]
) -> None:
    url = serve(**SETTINGS).replace("localhost", "127.0.0.1")
    said = ADA | {"X-Forwarded-For": "127.0.0.1"}
    for address, status in (("127.0.0.2", 200), ("127.0.0.1", 303)):
        transport = httpx2.HTTPTransport(local_address=address)
        with httpx2.Client(transport=transport, trust_env=False) as client:
            answer = client.get(url, headers=said)
            assert answer.status_code == status
            assert ("runmanager" in answer.cookies) is (status == 303)


def test_each_of_several_secrets_is_good(serve: Serve, visitor: Callable[..., Visitor]) -> None:
    url = serve(**SETTINGS)
    for secret in (SECRET, OTHER):
        assert visitor(url).get("/", headers={USER: "ada", KEY: secret}).status_code == 303


def test_without_its_settings_the_header_means_nothing(
    serve: Serve, visitor: Callable[..., Visitor]
) -> None:
    browser = visitor(serve(trusted_proxies=SETTINGS["trusted_proxies"]))
    assert browser.get("/", headers=ADA).status_code == 200
    browser.post("/sign-in", {"username": "ada", "password": PASSWORD})
    told = dict(browser.get("/", headers=ADA).json()["headers"])
    assert KEY.lower() not in told


def test_who_is_signed_in_as_somebody_else_is_signed_in_anew(
    serve: Serve, visitor: Callable[..., Visitor], host: HostWriter
) -> None:
    host.add_user("bob", is_admin=True)
    browser = visitor(serve(**SETTINGS))
    browser.get("/", headers={USER: "bob", KEY: SECRET})
    of_bob = str(browser.cookie)
    assert is_page(browser.get("/", headers={USER: "bob", KEY: SECRET}))
    assert browser.get("/", headers=ADA).status_code == 303
    assert is_page(browser.get("/", headers=ADA))
    assert str(browser.cookie) != of_bob
    assert not is_page(visitor(browser.url).get_with("/", {"runmanager": of_bob}))


def test_who_is_no_active_administrator_is_told_so_and_whoever_was_there_before_is_out(
    serve: Serve, visitor: Callable[..., Visitor], host: HostWriter
) -> None:
    host.add_user("kate")
    host.add_user("gone", is_admin=True)
    host.execute("UPDATE users SET is_active = false WHERE username = 'gone'")
    url = serve(**SETTINGS)
    for name in ("kate", "nobody here", "gone", "ADA"):
        browser = visitor(url)
        browser.get("/", headers=ADA)
        of_ada = str(browser.cookie)
        answer = browser.get("/", headers={USER: name, KEY: SECRET})
        assert answer.status_code == 403, name
        assert "not an active administrator" in answer.text, name
        assert browser.cookie is None, name
        assert not is_page(visitor(url).get_with("/", {"runmanager": of_ada})), name


@pytest.mark.parametrize(
    ("matches", "name"), [("id", "id-0001"), ("username", "ada"), ("email", "ada@example.org")]
)
def test_it_may_name_them_by_id_by_name_or_by_address(
    serve: Serve, visitor: Callable[..., Visitor], host: HostWriter, matches: str, name: str
) -> None:
    host.execute("ALTER TABLE users ADD email text")
    host.execute("UPDATE users SET email = 'ada@example.org' WHERE username = 'ada'")
    browser = visitor(serve(**SETTINGS, proxy_matches=matches))
    headers = {USER: name, KEY: SECRET}
    assert browser.get("/", headers=headers).status_code == 303
    before = browser.cookie
    assert is_page(browser.get("/", headers=headers))
    assert browser.cookie == before
    wrong = {USER: "kate@example.org", KEY: SECRET}
    assert visitor(browser.url).get("/", headers=wrong).status_code == 403


def test_a_name_in_utf_8_is_read_as_such(
    serve: Serve, visitor: Callable[..., Visitor], host: HostWriter
) -> None:
    host.add_user("Zoë 愛", is_admin=True)
    browser = visitor(serve(**SETTINGS))
    headers = [(USER.encode(), "Zoë 愛".encode()), (KEY.encode(), SECRET.encode())]
    assert browser.get("/", headers=headers).status_code == 303
    assert is_page(browser.get("/", headers=headers))
    broken = [(USER.encode(), "Zoë".encode("latin-1")), (KEY.encode(), SECRET.encode())]
    assert visitor(browser.url).get("/", headers=broken).status_code == 200


def test_only_a_page_signs_in(serve: Serve, visitor: Callable[..., Visitor]) -> None:
    browser = visitor(serve(**SETTINGS))
    for address in ("/static/x.js", "/media/x", "/_stcore/host-config"):
        assert browser.get(address, headers=ADA).status_code == 401
    assert browser.client.head(browser.url, headers=ADA).status_code == 200
    assert browser.client.post(browser.url, headers=ADA).status_code == 401
    # Open tabs ask there whether their sign-in is over.
    assert browser.get("/sign-in", headers=ADA).status_code == 200
    assert browser.cookie is None


def test_a_real_process_believes_its_proxy(
    host: HostWriter, tmp_path: Path, visitor: Callable[..., Visitor]
) -> None:
    settings = settings_for(host.url) | {
        "RUNMANAGER_STATE_DIR": str(tmp_path / "state"),
        "RUNMANAGER_PROXY_USER_HEADER": USER,
        "RUNMANAGER_PROXY_SECRET": SECRET,
        "RUNMANAGER_TRUSTED_PROXIES": "127.0.0.1,::1",
    }
    app = AppProcess(tmp_path / "log", settings)
    try:
        app.ready()
        browser = visitor(app.url)
        assert browser.get("/", headers=ADA).status_code == 303
        assert "Streamlit" in browser.get("/", headers=ADA).text
        assert "Streamlit" not in visitor(app.url).get("/", headers={USER: "ada"}).text
    finally:
        app.stop()
    assert "Signed in (browser, proxy): 'ada'" in app.said
    assert "but not with the secret" in app.said
    assert SECRET not in app.said
