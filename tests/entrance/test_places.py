"""What stands where: who may ask for it, by which methods, and what is there for nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.api.application import PREFIX
from runmanager.entrance.places import Place, address_of, place_of
from tests.api.conftest import token
from tests.entrance.conftest import DASHBOARD, HOST, ICON, SECRET, Browser

if TYPE_CHECKING:
    from tests.entrance.conftest import OpenSite, Site
    from tests.hosts import HostWriter

FOR_NOBODY = [
    "/_stcore/upload_file",
    "/_stcore/upload_file/session/file",
    "/_stcore/agent",
    "/_stcore/metrics",
    "/_stcore/script-health-check",
    "/_stcore/allowed-message-origins",
    "/_stcore/bidi-components/x",
    "/_stcore",
    "/_stcore/",
    "/_stcore/health/",
    "/_stcore/stream/",
    "/_stcore/health/x",
    "/run/_stcore/health",
    "/run/_stcore/stream",
    "/a/b/_stcore/upload_file/x",
    "/component/x/index.html",
    "/component",
    "/auth/login",
    "/auth/logout",
    "/oauth2callback",
    "/app/static/x",
    "/%5fstcore%2fhealth%20",
    "/run/%5Fstcore/health",
]
DASHBOARDS = [
    "/", "/run", "/run?id=x", "/runs", "/shell", "/secret", "/a/b/c", "/index.html", "//", "//run",
    "/..", "/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/run/..%2f..%2fetc", "/.git/config",
    "/_STCORE/health", "/sign-in/", "/sign-outx", "/Sign-In", "/admin",
    "/admin/run-manage", "/admin/run-managerx", "/%00", "/%0a", "/\\", "/favicon.png/", "/health",
]  # fmt: skip
FILES = ["/_stcore/host-config", "/manifest.json", "/media/x.png", "/static/js/index.js", "/static"]
WRITING = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "BREW"]


def test_what_nobody_needs_is_there_for_nobody(ada: Browser, site: Site) -> None:
    for target in FOR_NOBODY:
        for browser in (ada, Browser(site)):
            for method in ("GET", "HEAD", *WRITING):
                answer = browser.send(method, target)
                assert answer.status == 404, (method, target)
        assert site.dashboard.requests == [], target


def test_every_page_address_is_the_sign_in_page_for_strangers(site: Site) -> None:
    for target in DASHBOARDS:
        browser = Browser(site)
        for method in ("GET", "HEAD"):
            answer = browser.send(method, target)
            assert (answer.status, answer.is_sign_in_page) == (200, True), (method, target)
            assert answer.cookies == {}, (method, target)
        for method in WRITING:
            assert browser.send(method, target).status == 401, (method, target)
        assert site.dashboard.requests == [], target


def test_no_file_of_the_dashboards_is_there_for_strangers(site: Site, ada: Browser) -> None:
    for target in FILES:
        browser = Browser(site)
        for method in ("GET", "HEAD", *WRITING):
            assert browser.send(method, target).status == 401, (method, target)
        assert site.dashboard.requests == [], target
    shown = {target: ada.get(target).text for target in FILES}
    assert shown == dict.fromkeys(FILES, DASHBOARD)


def test_the_dashboard_is_only_read(ada: Browser) -> None:
    for target in (*DASHBOARDS, *FILES):
        assert ada.get(target).text == DASHBOARD, target
        seen = len(ada.site.dashboard.requests)
        for method in WRITING:
            answer = ada.send(method, target)
            said = (answer.status, answer.header("allow"))
            assert said == (405, "GET, HEAD"), (method, target)
        assert len(ada.site.dashboard.requests) == seen, target


def test_a_link_signs_nobody_out(ada: Browser) -> None:
    for query in ("", "?everywhere=1", "?next=//evil"):
        for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
            answer = ada.send(method, f"/sign-out{query}")
            assert (answer.status, answer.header("allow")) == (405, "POST"), (method, query)
        assert ada.is_in, query


def test_the_sign_in_page_has_an_address_too(browser: Browser, ada: Browser) -> None:
    page = browser.get("/sign-in?next=/run%3Fid=x")
    assert page.is_sign_in_page
    assert 'name="next" value="/run?id=x"' in page.text
    assert browser.send("HEAD", "/sign-in").status == 200
    for method in WRITING[1:]:
        answer = browser.send(method, "/sign-in")
        assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, POST")
    # Who is signed in goes on.
    assert ada.get("/sign-in?next=/run%3Fid=x").header("location") == "/run?id=x"


def test_strangers_may_ask_whether_it_is_alive_and_for_its_icon(browser: Browser) -> None:
    health = browser.get("/_stcore/health")
    assert (health.status, health.text) == (200, DASHBOARD)
    assert browser.send("HEAD", "/_stcore/health").status == 200
    for method in WRITING:
        assert browser.send(method, "/_stcore/health").status == 405
    for name in ("/favicon.png", "/favicon.ico"):
        icon = browser.get(name)
        assert (icon.text, icon.header("content-type")) == (ICON.decode(), "image/svg+xml")


def test_the_api_is_reached_by_its_own_tokens(site: Site, host: HostWriter) -> None:
    stranger = site.ask("GET", f"{PREFIX}/runs", {"host": HOST})
    assert (stranger.status, stranger.header("www-authenticate")) == (401, "Bearer")
    authorization = f"Bearer {token(host.admin.user_id, key=SECRET)}"
    headers = {"host": HOST, "authorization": authorization}
    assert site.ask("GET", f"{PREFIX}/runs", headers).status == 200
    for path in ("", "/", "/nothing", "/runs/a%2Fb"):
        answer = site.ask("GET", PREFIX + path, headers)
        assert (answer.status, answer.header("content-type")) == (404, "application/json")
    assert site.dashboard.requests == []


def test_outside_the_base_path_there_is_nothing(open_site: OpenSite) -> None:
    site = open_site("tools/rm")
    ada = Browser(site).signed_in()
    cookie = {"cookie": f"runmanager={ada.session_cookie}"}
    targets = ("/", "/run", "/sign-in", "/_stcore/health", f"{PREFIX}/health")
    for target in targets:
        for outside in (target, f"/tools{target}", f"/tools/rmx{target}", f"/TOOLS/RM{target}"):
            for headers in ({"host": HOST}, {"host": HOST} | cookie):
                assert site.ask("GET", outside, headers).status == 404, (outside, headers)
        assert site.dashboard.requests == [], target
    for target in targets:
        assert ada.get(target).status in {200, 303}, target


def test_the_base_path_without_its_slash_leads_to_it(open_site: OpenSite) -> None:
    ada = Browser(open_site("tools/rm")).signed_in()
    for query in ("", "?search=a%20b"):
        answer = ada.get(query)
        assert (answer.status, answer.header("location")) == (308, f"/tools/rm/{query}")
    assert Browser(open_site()).get("/").is_sign_in_page


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (None, Place.NOWHERE),
        ("/", Place.PAGE),
        ("/admin/run-manager", Place.API),
        ("/admin/run-manager/x", Place.API),
        ("/admin/run-managers", Place.PAGE),
        ("/_stcore/stream", Place.STREAM),
        ("/_stcore/streams", Place.NOWHERE),
        ("/static", Place.STATIC),
        ("/staticx", Place.PAGE),
    ],
)
def test_a_place_is_what_stands_at_its_path(path: str | None, place: Place) -> None:
    assert place_of(path, PREFIX) is place


def test_an_address_is_one_again_whatever_its_path_holds() -> None:
    assert address_of("/a b/ü?#%", "q=1") == "/a%20b/%C3%BC%3F%23%25?q=1"
    assert address_of("/\ud800", "") == "/%ED%A0%80"
