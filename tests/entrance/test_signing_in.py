"""The two doors: who is let in and told what, which cookies are set, and where one goes then."""

from __future__ import annotations

import html
import time
from typing import TYPE_CHECKING

import bcrypt
import pytest

from pages.passwords import MAX_BYTES
from runmanager.entrance import doors
from runmanager.entrance.cookies import DEVICE_NAME, DEVICE_SECONDS, NAME
from runmanager.entrance.doors import MAX_BODY, REFUSED
from tests.entrance.conftest import DASHBOARD, FORM, HOST, SILENCE, Browser
from tests.hosts import PASSWORD
from tests.outage import away

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Message

    from tests.entrance.conftest import OpenSite, Site
    from tests.hosts import HostWriter


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "wrong"),
        ("ada", ""),
        ("", PASSWORD),
        ("ada", PASSWORD.upper()),
        ("ada", PASSWORD + "\0"),
        ("ada", PASSWORD + " "),
        ("kate", PASSWORD),
        ("kate", "wrong"),
        ("dennis", PASSWORD),
        ("nobody", PASSWORD),
        ("plain", "plain"),
        ("plain", PASSWORD),
        ("twin", PASSWORD),
        ("ada' OR 1=1 --", PASSWORD),
        ("ada\x00", PASSWORD),
        ("ada", "x" * 10_000),
        ("x" * 5_000, PASSWORD),
        ("<script>alert(1)</script>", PASSWORD),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_every_refusal_says_the_same(
    browser: Browser, host: HostWriter, name: str, password: str
) -> None:
    host.add_user("kate")
    for user in ("dennis", "plain", "twin", "twin"):
        host.add_user(user, is_admin=True)
    host.execute("UPDATE users SET is_active = false WHERE username = 'dennis'")
    host.execute("UPDATE users SET password_hash = 'plain' WHERE username = 'plain'")
    usual = browser.sign_in("ada", "not at all")
    answer = browser.sign_in(name, password)
    assert (answer.status, answer.problem) == (401, REFUSED)
    assert answer.headers == [
        (key, str(len(answer.text.encode())) if key == "content-length" else value)
        for key, value in usual.headers
    ]
    shown = f'value="{html.escape(name[:1000])}"'
    if name:
        assert shown in answer.text
        assert answer.text.replace(shown, 'value="ada"') == usual.text
    assert "<script" not in answer.text
    assert password not in answer.text.replace(shown, "") or len(password) < 8
    assert browser.cookies == {}
    assert not browser.is_in


def test_an_admin_signs_in_whatever_the_case_of_their_name(site: Site) -> None:
    for name in ("ada", "Ada", " ada", "ADA \t"):
        browser = Browser(site)
        answer = browser.sign_in(name)
        assert (answer.status, answer.header("location"), answer.text) == (303, "/", ""), name
        assert browser.get().text == DASHBOARD, name


def test_a_name_that_fits_two_admins_in_another_case_is_nobodys(
    browser: Browser, host: HostWriter
) -> None:
    host.add_user("ADA", is_admin=True)
    assert browser.sign_in("Ada").problem == REFUSED
    assert browser.sign_in("ADA").status == 303


def test_a_form_that_says_a_field_twice_is_refused(browser: Browser) -> None:
    for body in (
        f"username=ada&password={PASSWORD}&username=eve",
        f"username=ada&password=wrong&password={PASSWORD}",
        "&".join(f"f{number}=" for number in range(20)) + f"&username=ada&password={PASSWORD}",
        f"username=ada&password={PASSWORD}&next=%FF",
        f"username=ada&password={PASSWORD}&next=\xff",
    ):
        answer = browser.send("POST", "/sign-in", body.encode("latin-1"), {"content-type": FORM})
        assert answer.status == 401, body


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("пароль" * 7, "пароль" * 7),
        ("ab" * 44, "ab" * 44),
        ("ab" * 44, "ab" * 36),
        ("zo\u00eb correct", "zoe\u0308 correct"),
        ("zoe\u0308 correct", "zo\u00eb correct"),
        ("  blanks  ", "  blanks  "),
        ("🦉 & = + % #", "🦉 & = + % #"),
    ],
)
def test_a_password_is_right_as_hosts_have_stored_it(
    browser: Browser, host: HostWriter, stored: str, typed: str
) -> None:
    hashed = bcrypt.hashpw(stored.encode()[:MAX_BYTES], bcrypt.gensalt(4)).decode()
    host.execute("UPDATE users SET password_hash = %s", hashed)
    assert browser.sign_in(password=typed[1:]).status == 401
    assert browser.sign_in(password=typed).status == 303


# Cookies


def test_the_cookies_are_kept_from_scripts_and_other_sites(browser: Browser) -> None:
    cookies = browser.sign_in().cookies
    assert cookies.keys() == {NAME, DEVICE_NAME}
    for name, longest in ((NAME, 8 * 3600), (DEVICE_NAME, DEVICE_SECONDS)):
        told = cookies[name]
        assert told["httponly"] == "True"
        assert told["samesite"] == "Lax"
        assert told["path"] == "/"
        assert longest - 60 < int(told["max-age"]) <= longest
        assert told.keys() == {"value", "httponly", "samesite", "path", "max-age"}


def test_the_cookie_is_for_the_base_path_only(open_site: OpenSite) -> None:
    browser = Browser(open_site("tools/rm"))
    assert {one["path"] for one in browser.sign_in().cookies.values()} == {"/tools/rm/"}
    assert {one["path"] for one in browser.sign_out().cookies.values()} == {"/tools/rm/"}


def test_the_cookie_lasts_as_long_as_the_settings_say(open_site: OpenSite) -> None:
    cookie = Browser(open_site(session_hours=0.5)).sign_in().cookies[NAME]
    assert 1740 < int(cookie["max-age"]) <= 1800


@pytest.mark.parametrize("everywhere", ["", "?everywhere=1"])
def test_signing_out_takes_the_cookie_away(ada: Browser, everywhere: str) -> None:
    copied = dict(ada.cookies)
    answer = ada.sign_out(everywhere)
    assert (answer.status, answer.header("location")) == (303, "/")
    assert NAME not in ada.cookies
    assert not ada.is_in
    ada.cookies = copied
    assert not ada.is_in


def test_signing_out_twice_or_without_a_cookie_is_no_error(ada: Browser) -> None:
    copied = dict(ada.cookies)
    for cookies in (copied, copied, {}, {NAME: "nonsense"}):
        ada.cookies = dict(cookies)
        answer = ada.sign_out()
        assert (answer.status, answer.header("location")) == (303, "/")


def test_signing_in_anew_ends_the_sign_in_before(ada: Browser, host: HostWriter) -> None:
    host.add_user("grace", is_admin=True)
    before = dict(ada.cookies)
    ada.signed_in("grace")
    assert ada.is_in
    ada.cookies = before
    assert not ada.is_in


def test_a_sign_in_that_fails_leaves_the_one_before_as_it_is(ada: Browser) -> None:
    assert ada.sign_in("ada", "wrong").status == 401
    assert ada.is_in


# Where one goes then

OURS = [
    "/",
    "/run?id=a%2Fb&tab=1",
    "/?search=100%25&workspace=%F0%9F%A6%89",
    "/run",
    "/?x=" + "y" * 3000,
    "/run#part",
]
NOT_OURS = [
    "",
    "//evil.example",
    "//evil.example/run",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\nSet-Cookie: a=b",
    "\t//evil.example",
    " //evil.example",
    "/ /evil.example",
    "http://evil.example",
    "http:evil.example",
    "https:/evil.example",
    "HTTP://runs.example.org/",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    "@evil.example",
    ".evil.example",
    "?next=x",
    "#x",
    "run",
    "/\x00",
    "/\x7f",
    "/\u2028x",
    "/\u2215evil.example",
    "/ünï",
    "/sign-in",
    "/sign-in?next=/",
    "/sign-out",
    "/sign-out?everywhere=1",
    "/sign-in/openid",
    "/admin/run-manager",
    "/admin/run-manager/runs",
    "/_stcore/stream",
    "/_stcore/health",
    "/media/x.png",
    "/static/x.js",
    "/favicon.png",
    "/auth/login",
    "/run?" + "x" * 5000,
]


def test_after_signing_in_one_is_where_one_wanted_to_be(site: Site) -> None:
    answers = {wanted: Browser(site).sign_in(next_path=wanted) for wanted in OURS}
    assert {one: answer.header("location") for one, answer in answers.items()} == {
        wanted: wanted for wanted in OURS
    }


def test_nobody_is_sent_elsewhere(site: Site) -> None:
    for wanted in NOT_OURS:
        browser = Browser(site)
        answer = browser.sign_in(next_path=wanted)
        assert (answer.status, answer.header("location")) == (303, "/"), wanted
        # Nor by the page's own parameter, for who is signed in already.
        quoted = "".join(f"%{one:02X}" for one in wanted.encode())
        assert browser.get(f"/sign-in?next={quoted}").header("location") == "/", wanted


def test_nobody_is_sent_out_of_the_base_path(open_site: OpenSite) -> None:
    site = open_site("tools/rm")
    for wanted in (
        "/", "/run?id=x", "/tools/rmx/run", "/tools/", "//tools/rm/", "/tools/rm//evil.example",
        "/tools/rm/\\evil.example", "/tools/rm/sign-out", "/tools/rm", "/tools/rm/../other",
        "/tools/rm/%2E%2e/other", "/tools/rm/x/.%2e/../../other", "/tools/rm/.",
        "/tools/rm/%73ign-out",
    ):  # fmt: skip
        answer = Browser(site).sign_in(next_path=wanted)
        assert answer.header("location") == "/tools/rm/", wanted


def test_below_a_base_path_one_goes_on_there(open_site: OpenSite) -> None:
    browser = Browser(open_site("tools/rm"))
    page = browser.get("/run?id=x")
    assert 'action="/tools/rm/sign-in"' in page.text
    assert 'name="next" value="/tools/rm/run?id=x"' in page.text
    answer = browser.sign_in(next_path="/tools/rm/run?id=x")
    assert answer.header("location") == "/tools/rm/run?id=x"


def test_the_form_remembers_the_address_that_was_asked_for(site: Site) -> None:
    for target, wanted in (
        ("/run?id=a%2Fb", "/run?id=a%2Fb"),
        ("/?search=%22%3E%3Cscript%3E", "/?search=%22%3E%3Cscript%3E"),
        ('/?x="><script>', "/?x=&quot;&gt;&lt;script&gt;"),
        ("/%5C%5Cevil.example", "/%5C%5Cevil.example"),
        ("//evil.example/", "/"),
        ("/%2Fevil.example/", "/"),
        ("/%0d%0aX:y", "/%0D%0AX:y"),
        ("/run?" + "x" * 5000, "/"),
    ):
        page = Browser(site).get(target)
        assert page.is_sign_in_page, target
        assert "<script" not in page.text, target
        found = page.text.partition('name="next" value="')[2].partition('"')[0]
        assert found == wanted, target


# From other sites


def test_what_another_site_sends_is_refused(ada: Browser) -> None:
    fields = {"username": "ada", "password": PASSWORD, "next": "/"}
    origins = [
        "https://evil.example",
        "null",
        "",
        f"http://{HOST}:8501",
        f"http://x.{HOST}",
        f"http://{HOST}.evil.example",
        f"http://evil{HOST}",
        f"http://user@{HOST}",
        f"ftp://{HOST}",
        f"http://[{HOST}",
        "http://",
        HOST,
    ]
    for door in ("/sign-in", "/sign-out", "/sign-out?everywhere=1"):
        for origin in origins:
            answer = ada.post(door, fields, origin=origin)
            assert (answer.status, answer.cookies) == (403, {}), (door, origin)
            assert ada.is_in, (door, origin)


@pytest.mark.parametrize("door", ["/sign-in", "/sign-out"])
def test_what_does_not_say_where_it_comes_from_is_refused(ada: Browser, door: str) -> None:
    cookie = f"{NAME}={ada.session_cookie}"
    body = f"username=ada&password={PASSWORD}".encode()
    plain = [("host", HOST), ("content-type", FORM), ("cookie", cookie)]
    own = ("origin", f"http://{HOST}")
    for headers in (plain, [*plain, own, own], [*plain[1:], own], [*plain, plain[0], own]):
        assert ada.site.ask("POST", door, headers, body).status == 403
    assert ada.is_in
    assert ada.site.ask("POST", door, [*plain, own], body).status == 303


# Bodies


def test_another_kind_of_body_is_refused(site: Site) -> None:
    fields = {"username": "ada", "password": PASSWORD}
    for kind in (
        "application/json", "multipart/form-data; boundary=x", "text/plain", "", FORM + "x",
        "text/plain; " + FORM,
    ):  # fmt: skip
        browser = Browser(site)
        assert browser.post("/sign-in", fields, **{"content-type": kind}).status == 415, kind
        assert not browser.is_in, kind


def test_the_kind_of_a_form_may_be_written_in_several_ways(site: Site) -> None:
    fields = {"username": "ada", "password": PASSWORD}
    for kind in (FORM, FORM.upper(), f"{FORM}; charset=UTF-8", f" {FORM} ;x"):
        answer = Browser(site).post("/sign-in", fields, **{"content-type": kind})
        assert answer.status == 303, kind


def form_headers() -> dict[str, str]:
    return {"host": HOST, "origin": f"http://{HOST}", "content-type": FORM}


def piece(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_form_that_comes_in_pieces_is_read_whole(site: Site) -> None:
    body = f"username=ada&password={PASSWORD}".encode()
    pieces = [piece(bytes([one])) for one in body]
    answer = site.ask("POST", "/sign-in", form_headers(), [*pieces, piece(b"", more=False)])
    assert answer.status == 303


def test_a_form_that_is_too_long_is_not_read_to_its_end(site: Site) -> None:
    endless = [piece(b"x" * 1000) for _number in range(1000)]
    answer = site.ask("POST", "/sign-in", form_headers(), endless)
    assert answer.status == 413
    assert len(endless) > 970
    assert answer.header("connection") == "close"
    at_most = b"username=ada&password=" + b"x" * (MAX_BODY - 22)
    assert site.ask("POST", "/sign-in", form_headers(), at_most).status == 401
    assert site.ask("POST", "/sign-in", form_headers(), at_most + b"x").status == 413


def test_a_form_that_is_cut_short_signs_nobody_in(site: Site) -> None:
    whole = f"username=ada&password={PASSWORD}".encode()
    answer = site.ask("POST", "/sign-in", form_headers(), [piece(whole)])
    assert answer.status == 400
    assert answer.cookies == {}


def test_a_form_that_takes_too_long_is_given_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "BODY_SECONDS", 0.2)
    began = time.monotonic()
    answer = site.ask("POST", "/sign-in", form_headers(), [piece(b"username=a"), SILENCE])
    assert answer.status == 408
    assert time.monotonic() - began < 5


# When something is away


def test_while_the_database_is_away_the_form_says_so_and_counts_no_try(
    browser: Browser, host: HostWriter
) -> None:
    with away(host):
        for _try in range(8):
            answer = browser.sign_in()
            assert answer.status == 503
            assert answer.header("retry-after") == "5"
            assert answer.is_sign_in_page
            assert "database cannot be reached" in answer.problem
            assert answer.cookies == {}
    assert browser.sign_in().status == 303


def test_while_the_database_is_away_who_is_signed_in_stays_so(
    ada: Browser, host: HostWriter
) -> None:
    with away(host):
        # The page itself says what is away.
        assert ada.get().text == DASHBOARD
        assert not Browser(ada.site).is_in
    assert ada.is_in


def test_while_the_store_is_away_nobody_is_let_in(ada: Browser, state_dir: Path) -> None:
    file = state_dir / "runmanager.sqlite"
    stranger = Browser(ada.site)
    # Connections that are open would go on with a file that is moved.
    ada.site.manager._store.close()
    kept = file.rename(state_dir / "elsewhere")
    for answer in (stranger.sign_in(), ada.get(), ada.get("/run?id=x")):
        assert answer.status == 503
        assert answer.header("retry-after") == "5"
        assert answer.is_sign_in_page
        assert "Run Manager's store" in html.unescape(answer.problem)
        assert str(state_dir) not in answer.text
    out = ada.sign_out()
    assert (out.status, "You are still signed in" in out.text) == (503, True)
    assert NAME in ada.cookies
    assert not ada.opens_socket
    kept.rename(file)
    assert ada.opens_socket
    assert ada.is_in
    assert stranger.sign_in().status == 303


def test_only_the_demo_says_how_to_sign_in(browser: Browser) -> None:
    assert "This is the demo" not in browser.get().text
