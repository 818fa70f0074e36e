"""The headers of every answer: what browsers must not do with it, and what is not told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runmanager.api.application import PREFIX
from runmanager.entrance.headers import DASHBOARD_POLICY
from runmanager.entrance.sign_in_page import CONTENT_SECURITY_POLICY
from tests.entrance.conftest import HOST, Browser

if TYPE_CHECKING:
    from tests.entrance.conftest import Answer, Site

TARGETS = [
    "/", "/run?id=x", "/sign-in", "/static/index.js", "/media/x.png", "/_stcore/health",
    "/_stcore/host-config", "/_stcore/metrics", "/favicon.png", f"{PREFIX}/health",
    f"{PREFIX}/runs", f"{PREFIX}/nothing", "/sign-out",
]  # fmt: skip


def policy(answer: Answer) -> dict[str, list[str]]:
    """The answer's Content-Security-Policy, by directive."""
    text = answer.header("content-security-policy") or ""
    parts = (one.split() for one in text.split(";"))
    return {name: sources for name, *sources in parts}


EVERYWHERE = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-robots-tag": "noindex",
    "access-control-allow-origin": None,
    "server": None,
    "x-powered-by": None,
}


def test_every_answer_carries_them(ada: Browser, site: Site) -> None:
    for target in TARGETS:
        for browser in (ada, Browser(site)):
            answer = browser.get(target, origin="https://evil.example")
            assert {name: answer.header(name) for name in EVERYWHERE} == EVERYWHERE, target
            assert policy(answer)["frame-ancestors"] == ["'none'"], target
            if not target.startswith("/static"):
                assert answer.header("cache-control") == "no-store", target


def test_only_streamlits_own_files_may_be_kept(ada: Browser, browser: Browser) -> None:
    assert ada.get("/static/index.js").header("cache-control") is None
    assert browser.get("/static/index.js").status == 401


def test_the_dashboard_loads_from_itself_and_sends_to_itself(ada: Browser) -> None:
    found = policy(ada.get("/"))
    assert ada.get("/").header("content-security-policy") == DASHBOARD_POLICY
    assert found["default-src"] == ["'self'"]
    assert found["connect-src"] == found["form-action"] == found["base-uri"] == ["'self'"]
    assert found["object-src"] == ["'none'"]
    sources = {source for one in found.values() for source in one}
    assert "'unsafe-eval'" not in sources
    assert not any("." in source or source in {"*", "https:", "http:"} for source in sources)


def test_the_sign_in_page_runs_no_script_and_loads_nothing(browser: Browser) -> None:
    page = browser.get("/run?id=x")
    assert page.header("content-security-policy") == CONTENT_SECURITY_POLICY
    found = policy(page)
    assert found["default-src"] == ["'none'"]
    assert "script-src" not in found
    assert (found["form-action"], found["base-uri"]) == (["'self'"], ["'none'"])
    assert 'src="data:' in page.text
    assert "http" not in page.text.replace('http-equiv="', "").replace("<!doctype html>", "")
    for answer in (browser.sign_in("ada", "wrong"), browser.get("/sign-in")):
        assert answer.header("content-security-policy") == CONTENT_SECURITY_POLICY


def test_a_browser_is_told_to_stay_with_tls_only_over_tls(site: Site) -> None:
    for target in TARGETS:
        plain, secure = (
            site.ask("GET", target, {"host": HOST}, scheme=scheme) for scheme in ("http", "https")
        )
        assert plain.header("strict-transport-security") is None
        assert secure.header("strict-transport-security") == "max-age=31536000"


def test_an_answer_from_the_door_is_kept_by_nobody(browser: Browser) -> None:
    for answer in (browser.sign_in("ada", "wrong"), browser.sign_in(), browser.sign_out()):
        assert answer.header("cache-control") == "no-store"
