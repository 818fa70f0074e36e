"""Two instances on one store, behind Debian's nginx, as docs/deploy.md sets them up."""

from __future__ import annotations

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING

import httpx2
import pytest
from playwright.sync_api import expect, sync_playwright
from uvicorn.config import Config

from tests.browser_needed import WHAT_TO_DO as NO_BROWSER
from tests.browser_needed import find_browser
from tests.docs.reading import Document
from tests.hosts import PASSWORD, SHAPES, HostWriter, connect
from tests.nginx import INSTANCE, Nginx
from tests.polling import wait_until
from tests.processes import AppProcess, free_port, settings_for
from tests.sockets import Socket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

    from tests.conftest import Server

# One site for all of these tests.
pytestmark = pytest.mark.xdist_group("nginx")

PAGE = Document("docs/deploy.md")
BASE = "/" + PAGE.block("ini", "BASE_URL_PATH").strip().split("=")[1]
SECRET = "a secret of the tests, longer than 32 bytes"
COOKIE = "__Secure-runmanager"
API = "/admin/run-manager"
# A kill is noticed by the next request; a sign-out by a look at the store once a second.
NOTICED = 3.0
# Milliseconds that a browser has for a page.
PATIENCE = 30_000


class Visitor:
    """A client with cookies of its own, which comes from an address of its own."""

    def __init__(self, url: str, address: str, nginx: Nginx | None = None) -> None:
        self.url = url
        self._nginx = nginx
        trust = nginx.trust() if nginx is not None else False
        self.client = httpx2.Client(
            base_url=url + BASE,
            transport=httpx2.HTTPTransport(verify=trust, local_address=address),
            timeout=20,
        )

    def get(self, path: str = "/", **headers: str) -> httpx2.Response:
        """What is at a path below the base path."""
        return self.client.get(path, headers=headers)

    def post(
        self, path: str, data: dict[str, str] | None = None, **headers: str
    ) -> httpx2.Response:
        """What is answered to a form of our own page."""
        return self.client.post(path, data=data, headers={"Origin": self.url} | headers)

    def sign_in(
        self, name: str, password: str = PASSWORD, wanted: str = "", **headers: str
    ) -> httpx2.Response:
        """What the sign-in form is answered."""
        fields = {"username": name, "password": password, "next": wanted}
        return self.post("/sign-in", fields, **headers)

    def socket(self) -> Socket:
        """A page's socket, which has asked for its first run."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())
        assert self._nginx is not None
        trust = self._nginx.trust_of_threads()
        opened = Socket.connect(
            self.url, {"Cookie": cookies}, path=f"{BASE}/_stcore/stream", trust=trust
        )
        opened.rerun()
        return opened

    def shows(self, text: str) -> bool:
        """Whether the list has this text, read over a socket."""
        with self.socket() as opened:
            opened.settle()
            return text in opened.said


class Site:
    """The proxy, its instances, and the databases behind them."""

    def __init__(self, folder: Path, host: HostWriter, store: sa.URL) -> None:
        self.host = host
        self.store = store
        self._folder = folder
        self._names = count(1)
        self._clients = ExitStack()
        self.ports = (free_port(), free_port())
        self._instances: dict[int, AppProcess] = {}
        self.nginx = Nginx(folder / "nginx", self.ports, PAGE.block("nginx", f"location {BASE}/"))
        self.url = f"https://localhost:{self.nginx.port}"
        self.run_both()
        wait_until(lambda: _listens(self.nginx.port))

    @cached_property
    def _settings(self) -> dict[str, str]:
        documented = dict(
            line.split("=", 1) for line in PAGE.block("ini", "DATABASE_URL=").splitlines()
        )
        return settings_for(self.host.url) | {
            "RUNMANAGER_JWT_SECRET": SECRET,
            "RUNMANAGER_ARCHIVE": str(self._folder / "archive"),
            "RUNMANAGER_STATE_DIR": str(self._folder / "state"),
            "RUNMANAGER_STATE_URL": self.store.set(drivername="postgresql").render_as_string(
                hide_password=False
            ),
            "RUNMANAGER_TRUSTED_PROXIES": documented["RUNMANAGER_TRUSTED_PROXIES"],
            "STREAMLIT_SERVER_ADDRESS": documented["STREAMLIT_SERVER_ADDRESS"],
            "STREAMLIT_SERVER_BASE_URL_PATH": BASE.strip("/"),
        }

    def run_both(self) -> None:
        """Let both instances run, also one that a test has killed."""
        started = []
        for port in self.ports:
            running = self._instances.get(port)
            if running is None or running.process.poll() is not None:
                log = self._folder / f"{port}.log"
                started.append(AppProcess(log, self._settings, port=port))
                self._instances[port] = started[-1]
        for one in started:
            one.ready(BASE)

    def kill(self, port: int) -> None:
        """End an instance without a warning."""
        self._instances[port].kill()

    def other(self, port: int) -> int:
        """The port of the other instance."""
        return self.ports[1 - self.ports.index(port)]

    def new_admin(self) -> str:
        """The name of an administrator whom no other test has."""
        name = f"admin-{next(self._names)}"
        self.host.add_user(name, is_admin=True)
        return name

    def visitor(self, address: str = "127.0.0.1") -> Visitor:
        """A browser in front of the proxy."""
        return self._visitor(Visitor(self.url, address, self.nginx))

    def direct_visitor(self, address: str) -> Visitor:
        """A client that goes around the proxy, to the first instance."""
        return self._visitor(Visitor(f"http://localhost:{self.ports[0]}", address))

    def signed_in(self, name: str, port: int | None = None) -> Visitor:
        """A browser that has signed in, and is served by the instance on that port."""
        for _ in range(60):
            visitor = self.visitor()
            assert visitor.sign_in(name).status_code == 303
            if port is None or instance(visitor.get()) == port:
                return visitor
        pytest.fail(f"no sign-in came to {port}")

    def close(self) -> None:
        """End all that it has started."""
        self._clients.close()
        self.nginx.close()
        for one in self._instances.values():
            one.stop()

    def _visitor(self, visitor: Visitor) -> Visitor:
        self._clients.enter_context(visitor.client)
        return visitor


@pytest.fixture(scope="module")
def opened(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site, with two databases of its own."""
    database, store = server.create(SHAPES[0]), server.clone("template0")
    url = server.url(database, SHAPES[0])
    with connect(url) as connection:
        host = HostWriter(SHAPES[0], url, connection)
        site = Site(tmp_path_factory.mktemp("nginx"), host, server.url(store, SHAPES[0]))
        yield site
        site.close()
    server.drop(store)
    server.drop(database)


@pytest.fixture
def site(opened: Site) -> Site:
    """The site, with both instances running."""
    opened.run_both()
    return opened


def instance(answer: httpx2.Response) -> int:
    """The port of the instance that has answered; the last one where two were asked."""
    return int(answer.headers[INSTANCE].rsplit(":", 1)[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_deep_link_leads_through_the_sign_in_to_the_list(site: Site) -> None:
    run_id = site.host.add_run("seen-behind-nginx")
    visitor = site.visitor()
    link = f"{BASE}/?search=behind-nginx"
    asked = visitor.get("/?search=behind-nginx")
    assert f'value="{link}"' in asked.text
    assert asked.headers["Strict-Transport-Security"].startswith("max-age=")
    assert "nginx/" not in asked.headers["Server"]
    assert not visitor.client.cookies
    answer = visitor.sign_in(site.new_admin(), wanted=link)
    assert (answer.status_code, answer.headers["Location"]) == (303, link)
    cookies = answer.headers.get_list("Set-Cookie")
    (session,) = [one for one in cookies if one.startswith(f"{COOKIE}=")]
    assert {"Secure", "HttpOnly", "SameSite=Lax", f"Path={BASE}/"} <= set(session.split("; "))
    page = visitor.get("/?search=behind-nginx")
    assert page.status_code == 200
    assert "Streamlit" in page.text
    assert visitor.shows(run_id)


def test_plain_http_leads_to_tls(site: Site) -> None:
    answer = httpx2.get(f"http://localhost:{site.nginx.plain_port}{BASE}/?search=a%2Fb")
    assert answer.status_code == 301
    assert answer.headers["Location"] == f"{site.url}{BASE}/?search=a%2Fb"


def test_a_sign_in_may_lead_to_the_longest_address(site: Site) -> None:
    link = f"{BASE}/?search=".ljust(4_000, "x")
    answer = site.visitor().sign_in(site.new_admin(), wanted=link)
    assert (answer.status_code, answer.headers["Location"]) == (303, link)


def test_a_page_its_files_and_its_socket_come_to_one_instance(site: Site) -> None:
    name = site.new_admin()
    served: set[int] = set()
    for _ in range(12):
        visitor = site.signed_in(name)
        paths = ("/", "/_stcore/host-config", "/manifest.json", "/run", "/")
        ports = {instance(visitor.get(path)) for path in paths}
        with visitor.socket() as opened:
            ports.add(int(opened.header(INSTANCE).rsplit(":", 1)[1]))
        assert len(ports) == 1
        served |= ports
    assert served == set(site.ports)


def test_what_one_instance_deletes_is_gone_from_the_other(site: Site) -> None:
    name, run_id = site.new_admin(), site.host.add_run("to-be-deleted")
    here, there = (site.signed_in(name, port) for port in site.ports)
    assert here.shows(run_id)
    assert there.shows(run_id)
    answer = here.client.request(
        "DELETE", f"{API}/runs", json={"thread_ids": [run_id]}, headers=bearer(here, name)
    )
    assert answer.json()["deleted_count"] == 1
    assert not here.shows(run_id)
    assert not there.shows(run_id)


def test_guesses_are_counted_by_the_client_s_own_address(site: Site) -> None:
    def guess(address: str, number: int) -> int:
        forged = {"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": f"203.0.113.{number}"}
        visitor = site.visitor(address)
        return visitor.sign_in(f"nobody-{address}-{number}", "wrong", **forged).status_code

    assert {guess("127.0.0.2", number) for number in range(20)} == {401}
    # Its address was one too many times here, whatever it says that it is; another was not.
    assert guess("127.0.0.2", 20) == 429
    assert guess("127.0.0.3", 21) == 401


def test_around_the_proxy_no_forwarded_header_is_believed(site: Site) -> None:
    name = site.new_admin()

    def answered(number: int, name: str, password: str) -> httpx2.Response:
        forged = {"X-Forwarded-For": f"203.0.113.{number}", "X-Forwarded-Proto": "https"}
        return site.direct_visitor("127.0.0.4").sign_in(name, password, **forged)

    answer = answered(0, name, PASSWORD)
    assert answer.status_code == 303
    assert "Secure" not in answer.headers["Set-Cookie"]
    assert "Strict-Transport-Security" not in answer.headers
    tries = [answered(number, f"nobody-{number}", "wrong").status_code for number in range(21)]
    assert tries == [401] * 20 + [429]


@pytest.mark.parametrize("first", [0, 1])
def test_when_an_instance_is_killed_the_other_serves_on(site: Site, first: int) -> None:
    killed = site.ports[first]
    name, run_id = site.new_admin(), site.host.add_run(f"still-there-{first}")
    visitor = site.signed_in(name, killed)
    token = bearer(visitor, name)
    with visitor.socket() as opened:
        opened.settle()
        assert run_id in opened.said
        site.kill(killed)
        opened.read(NOTICED)
        assert opened.is_closed
    began = time.monotonic()
    page = visitor.get()
    assert (page.status_code, instance(page)) == (200, site.other(killed))
    assert "Streamlit" in page.text
    assert visitor.shows(run_id)
    found = visitor.get(f"{API}/runs?search={run_id}", **token)
    assert [one["id"] for one in found.json()["runs"]] == [run_id]
    # Nor is anybody kept out who comes only now, wherever their address belongs.
    assert site.visitor().sign_in(name).status_code == 303
    assert time.monotonic() - began < 2 * NOTICED
    # It comes back to its own pages.
    site.run_both()
    wait_until(lambda: instance(visitor.get()) == killed)
    assert visitor.shows(run_id)


def test_a_page_in_a_browser_goes_on_at_the_other_instance(site: Site) -> None:
    # In a thread of its own: a worker that runs the browser tests as well has a browser already.
    with ThreadPoolExecutor(1) as aside:
        aside.submit(_goes_on_in_a_browser, site).result()


def _goes_on_in_a_browser(site: Site) -> None:
    program = find_browser()
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(NO_BROWSER)
    site.host.add_run("before-the-kill")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(ignore_https_errors=True)
        page.goto(f"{site.url}{BASE}/?search=the-kill")
        page.fill("[name=username]", site.new_admin())
        page.fill("[name=password]", PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        cells = page.get_by_test_id("data-grid-canvas").last.locator("td")
        expect(cells.filter(has_text="before-the-kill").first).to_be_attached(timeout=PATIENCE)
        asked = page.request.get(f"{site.url}{BASE}/_stcore/host-config")
        with page.expect_websocket(timeout=PATIENCE):
            site.kill(int(asked.headers[INSTANCE.lower()].rsplit(":", 1)[1]))
        site.host.add_run("after-the-kill")
        page.get_by_role("button", name="Refresh", exact=True).click()
        expect(cells.filter(has_text="after-the-kill").first).to_be_attached(timeout=PATIENCE)
        page.get_by_role("button", name="Sign out", exact=True).click()
        expect(page.locator("[name=password]")).to_be_visible(timeout=PATIENCE)
        browser.close()


def test_signing_out_everywhere_ends_the_tab_of_the_other_instance(site: Site) -> None:
    name = site.new_admin()
    here, there = (site.signed_in(name, port) for port in site.ports)
    token = bearer(there, name)
    assert there.get(f"{API}/runs", **token).status_code == 200
    with there.socket() as opened:
        opened.settle()
        assert here.post("/sign-out?everywhere=1").status_code == 303
        last = opened.read(NOTICED)
        assert opened.is_closed
        assert last[-1].WhichOneof("type") == "auth_redirect"
    assert 'name="password"' in there.get().text
    assert 'name="password"' in here.get().text
    assert there.get(f"{API}/runs", **token).status_code == 401


def test_while_the_store_is_away_it_is_said_and_then_all_goes_on(site: Site) -> None:
    name = site.new_admin()
    visitor = site.signed_in(name)
    with away(site.store):
        newcomer = site.visitor()
        for answer in (visitor.get(), newcomer.sign_in(name)):
            assert answer.status_code == 503
            assert answer.text.count("Run Manager&#x27;s store") == 1
            assert "RUNMANAGER_STATE_URL" in answer.text
            assert "Traceback" not in answer.text
    assert "Streamlit" in visitor.get().text
    assert newcomer.sign_in(name).status_code == 303


def test_the_proxy_lets_go_of_idle_connections_before_run_manager_does() -> None:
    # Otherwise it now and then sends a sign-in into one that is just being closed, and a POST is
    # not sent again.
    upstream = PAGE.block("nginx", "upstream run_manager {").split("upstream run_manager {")[1]
    (seconds,) = [
        line.split()[1].rstrip("s;")
        for line in upstream.split("}")[0].splitlines()
        if line.split()[:1] == ["keepalive_timeout"]
    ]
    assert int(seconds) < Config(lambda: None).timeout_keep_alive


def bearer(visitor: Visitor, name: str) -> dict[str, str]:
    """The header of a new API token."""
    answer = visitor.post(f"{API}/token", {"username": name, "password": PASSWORD})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@contextmanager
def away(store: sa.URL) -> Iterator[None]:
    """Let no instance reach the store's database, and end those who are there."""
    with connect(store.set(database="postgres")) as server:
        server.execute(f"ALTER DATABASE {store.database} ALLOW_CONNECTIONS false".encode())
        server.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            [store.database],
        )
        try:
            yield
        finally:
            server.execute(f"ALTER DATABASE {store.database} ALLOW_CONNECTIONS true".encode())
