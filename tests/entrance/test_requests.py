"""What a request says of its host and its client, and how much of that is believed."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from runmanager.entrance.cookies import DEVICE_NAME, NAME, SECURE_DEVICE_NAME, SECURE_NAME
from runmanager.entrance.requests import Trust
from tests.entrance.conftest import DASHBOARD, FORM, HOST, Answer, Browser
from tests.hosts import PASSWORD

if TYPE_CHECKING:
    from tests.entrance.conftest import Headers, OpenSite, Site

PROXY = "10.1.2.3"
PROXIES = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
PLAIN, SECURE = {NAME, DEVICE_NAME}, {SECURE_NAME, SECURE_DEVICE_NAME}


def sign_in(
    site: Site,
    *more: tuple[str, str],
    name: str = "ada",
    password: str = PASSWORD,
    origin: str = f"http://{HOST}",
    peer: str = "198.51.100.7",
    port: int = 50_000,
    scheme: str = "http",
) -> Answer:
    """Send the form with further headers."""
    headers: Headers = [("host", HOST), ("origin", origin), ("content-type", FORM), *more]
    body = f"username={name}&password={password}".encode()
    return site.ask("POST", "/sign-in", headers, body, peer=peer, port=port, scheme=scheme)


# TLS


def assert_secure(answer: Answer) -> None:
    assert answer.status == 303
    assert answer.cookies.keys() == SECURE
    assert all(one["secure"] == "True" for one in answer.cookies.values())


def assert_plain(answer: Answer) -> None:
    assert answer.status == 303
    assert answer.cookies.keys() == PLAIN
    assert all("secure" not in one for one in answer.cookies.values())


def test_over_tls_the_cookies_are_for_tls_only(open_site: OpenSite) -> None:
    site = open_site(trusted_proxies=PROXIES)
    forwarded = ("x-forwarded-proto", "https")
    own = f"https://{HOST}"
    assert_secure(sign_in(site, scheme="https", origin=own))
    # As the browser says, where the proxy before us is not configured.
    assert_secure(sign_in(site, origin=own))
    assert_secure(sign_in(site, forwarded, peer=PROXY))
    assert_secure(sign_in(site, forwarded, origin=own, peer=PROXY))
    assert_secure(sign_in(site, ("x-forwarded-proto", "HTTPS "), peer="fd00::1"))
    assert_secure(sign_in(site, forwarded, peer=f"::ffff:{PROXY}"))


def test_without_tls_they_are_not_or_they_would_not_come_back(open_site: OpenSite) -> None:
    site = open_site(trusted_proxies=PROXIES)
    forwarded = ("x-forwarded-proto", "https")
    assert_plain(sign_in(site))
    assert_plain(sign_in(site, forwarded))
    assert_plain(sign_in(site, forwarded, peer="10.2.0.1"))
    assert_plain(sign_in(open_site(), forwarded, peer=PROXY))
    assert_plain(sign_in(site, forwarded, forwarded, peer=PROXY))
    assert_plain(sign_in(site, ("x-forwarded-proto", "https,http"), peer=PROXY))
    assert_plain(sign_in(site, ("x-forwarded-proto", "wss"), peer=PROXY))
    assert_plain(sign_in(site, ("x-forwarded-ssl", "on"), peer=PROXY))


def test_signing_out_takes_away_the_cookies_of_either_name(open_site: OpenSite) -> None:
    site = open_site()
    for scheme in ("http", "https"):
        browser = Browser(site, scheme=scheme).signed_in()
        assert browser.is_in
        gone = browser.sign_out().cookies
        assert gone.keys() == {NAME, SECURE_NAME}
        assert {one["max-age"] for one in gone.values()} == {"0"}
        assert "secure" in gone[SECURE_NAME]


# Addresses


def waits(answer: Answer) -> bool:
    assert answer.status in {401, 429}
    return answer.status == 429


def test_an_address_that_a_stranger_writes_is_not_believed(open_site: OpenSite) -> None:
    site = open_site(trusted_proxies=PROXIES)
    answers = [
        sign_in(site, ("x-forwarded-for", f"203.0.113.{n}"), name=f"name{n}", password="x")
        for n in range(21)
    ]
    assert [waits(one) for one in answers] == [False] * 20 + [True]


@pytest.mark.parametrize("header", ["x-real-ip", "forwarded", "true-client-ip", "client-ip", "via"])
def test_no_other_header_names_an_address(open_site: OpenSite, header: str) -> None:
    site = open_site(trusted_proxies=PROXIES)
    answers = [
        sign_in(site, (header, f"203.0.113.{n}"), name=f"name{n}", password="x", peer=PROXY)
        for n in range(21)
    ]
    assert waits(answers[-1])


def test_a_proxy_names_its_clients_and_only_the_last_one_counts(open_site: OpenSite) -> None:
    site = open_site(trusted_proxies=PROXIES)

    def guess(number: int, *forwarded: str) -> bool:
        more = [("x-forwarded-for", one) for one in forwarded]
        return waits(sign_in(site, *more, name=f"name{number}", password="x", peer=PROXY))

    # Each client has a count of its own.
    assert not any(guess(number, f"203.0.113.{number}") for number in range(25))
    # What a client writes itself stands before what the proxy has seen.
    written = [guess(100 + n, f"192.0.2.{n}, 198.51.100.1") for n in range(21)]
    assert written == [False] * 20 + [True]


def test_what_the_web_server_took_from_a_header_is_not_believed(open_site: OpenSite) -> None:
    """uvicorn believes loopback; an address that it took from a header has the port 0."""
    site = open_site()
    answers = [
        sign_in(site, name=f"name{n}", password="x", peer=f"203.0.113.{n}", port=0, scheme="https")
        for n in range(21)
    ]
    assert [waits(one) for one in answers] == [False] * 20 + [True]
    assert_plain(sign_in(open_site(), peer="203.0.113.99", scheme="http", port=1))


# Hosts


def test_any_host_is_served_where_none_is_named(browser: Browser) -> None:
    for host in (HOST, "localhost:8501", "[::1]:8501", "10.0.0.1"):
        assert Browser(browser.site, host=host).sign_in().status == 303


SERVED = (
    HOST, HOST.upper(), f"{HOST}:8443", f"{HOST}.", "a.example.net", "a.b.example.net:80",
    "localhost:8501",
)  # fmt: skip
NOT_SERVED = (
    "localhost", "localhost:8502", "example.net", "evilexample.net", "example.net.evil.example",
    f"x.{HOST}", f"{HOST}.evil.example", f"{HOST}@evil.example", f"evil.example:{HOST}", "",
    "10.0.0.1",
)  # fmt: skip


def test_only_the_named_hosts_are_served(open_site: OpenSite) -> None:
    site = open_site(allowed_hosts=(HOST, "*.example.net", "localhost:8501"))
    for asked in SERVED:
        browser = Browser(site, host=asked)
        assert browser.sign_in().status == 303, asked
        assert browser.is_in, asked
        assert browser.opens_socket, asked
    for asked in NOT_SERVED:
        cookie = Browser(site).signed_in().session_cookie
        browser = Browser(site, host=asked, cookies={NAME: cookie})
        for target in ("/", "/run", "/sign-in", "/favicon.png", "/admin/run-manager/health"):
            answer = browser.get(target)
            said = (answer.status, answer.text)
            assert said == (400, "This host is not served here."), (asked, target)
        assert browser.sign_in().status == 400, asked
        assert not browser.opens_socket, asked
        # Those who watch whether it is alive ask by its address.
        assert browser.get("/_stcore/health").text == DASHBOARD, asked


def test_a_request_that_names_no_host_or_two_is_none_of_a_named_one(open_site: OpenSite) -> None:
    site = open_site(allowed_hosts=(HOST,))
    for headers in ([], [("host", HOST), ("host", "evil.example")], [("host", HOST)] * 2):
        assert site.ask("GET", "/", headers).status == 400


def test_x_forwarded_host_is_believed_from_nobody(open_site: OpenSite) -> None:
    site = open_site(allowed_hosts=(HOST,), trusted_proxies=PROXIES)
    headers = {"host": "evil.example", "x-forwarded-host": HOST}
    assert site.ask("GET", "/", headers, peer=PROXY).status == 400


def test_without_a_proxy_nobody_is_one() -> None:
    assert not any(Trust().is_proxy(one) for one in ("127.0.0.1", "::1", "", "unix:", PROXY))
    assert Trust(proxies=PROXIES).is_proxy(PROXY)
    assert not Trust(proxies=PROXIES).is_proxy("10.2.0.1")
