"""Single sign-on by OpenID Connect, with a real provider: who gets in, and who ends it."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest

from tests.entrance.browsing import problem
from tests.entrance.openid_provider import FOLDER, RealProvider
from tests.hosts import PASSWORD
from tests.npm import install
from tests.processes import AppProcess, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.entrance.browsing import Visitor
    from tests.entrance.conftest import Serve
    from tests.hosts import HostWriter

ACCOUNTS: dict[str, dict[str, Any]] = {
    "ada-there": {"preferred_username": "ada", "email": "ada@example.org", "email_verified": True},
    "kate-there": {"preferred_username": "kate"},
    "unknown": {"preferred_username": "nobody here"},
    "nameless": {},
    "typed": {"email": "ada@example.org", "email_verified": False},
    "silent": {"email": "ada@example.org"},
}


class SignOn(Protocol):
    """Serves the guard with a real provider beside it; the guard's address."""

    def __call__(self, provider: RealProvider | None = None, **settings: Any) -> str:
        """Both end with the test."""


@pytest.fixture
def sign_on(serve: Serve) -> Iterator[SignOn]:
    """Serves the guard with a real provider."""
    with ExitStack() as stack:

        def start(provider: RealProvider | None = None, **settings: Any) -> str:
            real = stack.enter_context(provider or RealProvider(ACCOUNTS))
            url = serve(**real.settings, **settings)
            real.start(url)
            return url

        yield start


@pytest.mark.parametrize("is_thin", [True, False], ids=["claims by userinfo", "in the ID token"])
def test_who_the_provider_names_is_let_in_and_sent_on(
    sign_on: SignOn, visitor: Callable[..., Visitor], is_thin: bool
) -> None:
    url = sign_on(RealProvider(ACCOUNTS, has_thin_id_tokens=is_thin))
    browser = visitor(url, "ada-there")
    assert not browser.is_in
    wanted = "/run?id=1"
    answer = browser.sign_in(f"/sign-in/openid?{urlencode({'next': wanted})}")
    assert (answer.status_code, answer.headers["location"]) == (303, wanted)
    assert browser.is_in
    assert browser.trips == {}
    (cookie,) = (
        one for one in answer.headers.get_list("set-cookie") if one.startswith("runmanager=")
    )
    assert "; HttpOnly; SameSite=Lax" in cookie
    told = dict(browser.get("/").json()["headers"])
    assert "cookie" not in told


def test_the_whole_way_through_a_real_process_and_out_again(
    host: HostWriter, tmp_path: Path, visitor: Callable[..., Visitor]
) -> None:
    with RealProvider(ACCOUNTS) as provider:
        settings = settings_for(host.url) | provider.environment
        app = AppProcess(
            tmp_path / "log", settings | {"RUNMANAGER_STATE_DIR": str(tmp_path / "state")}
        )
        try:
            app.ready()
            provider.start(app.url)
            browser = visitor(app.url, "ada-there")
            assert "Sign in with 127.0.0.1" in browser.get("/").text
            assert browser.sign_in().headers["location"] == "/"
            page = browser.get("/")
            assert "Streamlit" in page.text
            policy = page.headers["content-security-policy"]
            assert policy.endswith(f"form-action 'self' {provider.issuer}")
            assert "Signed in (browser, oidc): 'ada'" in app.said
            cookie = browser.cookie
            out = browser.post("/sign-out")
            assert out.status_code == 303
            there = urlsplit(out.headers["location"])
            assert f"{there.scheme}://{there.netloc}" == provider.issuer
            assert parse_qs(there.query) == {
                "client_id": ["run-manager"],
                "post_logout_redirect_uri": [f"{app.url}/"],
            }
            assert "Sign out here" in browser.client.get(out.headers["location"]).text
            assert browser.cookie is None
            again = browser.get_with("/", {"runmanager": str(cookie)})
            assert "no longer valid" in problem(again)
        finally:
            app.stop()
    assert "Traceback" not in app.said


def test_signing_out_at_the_provider_ends_what_that_browser_began_and_nothing_else(
    sign_on: SignOn, visitor: Callable[..., Visitor]
) -> None:
    provider = RealProvider(ACCOUNTS)
    url = sign_on(provider)
    here, elsewhere, by_password = (visitor(url, "ada-there") for _ in range(3))
    here.sign_in()
    elsewhere.sign_in()
    by_password.post("/sign-in", {"username": "ada", "password": PASSWORD})
    sign_out_there(here, provider)
    assert [here.is_in, elsewhere.is_in, by_password.is_in] == [False, True, True]


def test_a_provider_that_names_the_user_alone_ends_all_that_they_began_there(
    sign_on: SignOn, visitor: Callable[..., Visitor]
) -> None:
    provider = RealProvider(ACCOUNTS, ends_by_session=False)
    url = sign_on(provider)
    here, elsewhere, by_password = (visitor(url, "ada-there") for _ in range(3))
    here.sign_in()
    elsewhere.sign_in()
    by_password.post("/sign-in", {"username": "ada", "password": PASSWORD})
    sign_out_there(here, provider)
    assert [here.is_in, elsewhere.is_in, by_password.is_in] == [False, False, True]


def sign_out_there(browser: Visitor, provider: RealProvider) -> None:
    """Sign out at the provider's own page, without a word to Run Manager; wait until it heard."""
    page = browser.client.get(f"{provider.issuer}/session/end")
    secret = page.text.split('name="xsrf" value="')[1].split('"')[0]
    fields = {"xsrf": secret, "logout": "yes"}
    done = browser.client.post(f"{provider.issuer}/session/end/confirm", data=fields)
    assert done.status_code == 303, done.text
    deadline = time.monotonic() + 5
    while browser.is_in and time.monotonic() < deadline:
        time.sleep(0.1)


def test_a_sign_in_by_password_ends_here_alone(
    sign_on: SignOn, visitor: Callable[..., Visitor]
) -> None:
    browser = visitor(sign_on())
    browser.post("/sign-in", {"username": "ada", "password": PASSWORD})
    assert browser.is_in
    assert browser.post("/sign-out").headers["location"] == "/"


@pytest.mark.parametrize(
    ("account", "settings", "is_let_in"),
    [
        ("ada-there", {"oidc_matches": "username"}, True),
        ("ada-there", {"oidc_matches": "email", "oidc_claim": "email"}, True),
        ("id-0001", {"oidc_matches": "id", "oidc_claim": "sub"}, True),
        ("ada-there", {"oidc_matches": "id", "oidc_claim": "sub"}, False),
        ("kate-there", {}, False),
        ("unknown", {}, False),
    ],
)
def test_the_database_says_who_of_those_the_provider_names_may_come_in(
    sign_on: SignOn, visitor: Callable[..., Visitor], host: HostWriter, account: str,
    settings: dict[str, Any], is_let_in: bool,
) -> None:  # fmt: skip
    host.execute("ALTER TABLE users ADD email text")
    host.execute("UPDATE users SET email = 'ada@example.org' WHERE username = 'ada'")
    host.add_user("kate")
    assert host.admin.user_id == "id-0001"
    browser = visitor(sign_on(**settings), account)
    answer = browser.sign_in()
    assert browser.is_in is is_let_in
    if not is_let_in:
        assert answer.status_code == 403
        assert "not an active administrator" in problem(answer)


def test_an_address_that_is_not_verified_is_nobodys(
    sign_on: SignOn, visitor: Callable[..., Visitor], host: HostWriter
) -> None:
    host.execute("ALTER TABLE users ADD email text")
    host.execute("UPDATE users SET email = 'ada@example.org' WHERE username = 'ada'")
    url = sign_on(oidc_matches="email", oidc_claim="email")
    for account in ("typed", "silent", "nameless"):
        browser = visitor(url, account)
        answer = browser.sign_in()
        assert answer.status_code == 401, account
        assert "cannot be accepted" in problem(answer), account
        assert not browser.is_in, account


def test_an_address_that_two_users_have_is_nobodys(
    sign_on: SignOn, visitor: Callable[..., Visitor], host: HostWriter
) -> None:
    host.execute("ALTER TABLE users ADD email text")
    host.add_user("kate")
    host.execute("UPDATE users SET email = 'ada@example.org'")
    browser = visitor(sign_on(oidc_matches="email", oidc_claim="email"), "ada-there")
    assert browser.sign_in().status_code == 403
    assert not browser.is_in


def test_who_was_demoted_is_out_and_not_let_in_again(
    sign_on: SignOn, visitor: Callable[..., Visitor], host: HostWriter
) -> None:
    browser = visitor(sign_on(), "ada-there")
    browser.sign_in()
    assert browser.is_in
    host.execute("UPDATE users SET is_admin = false WHERE username = 'ada'")
    assert not browser.is_in
    assert browser.sign_in().status_code == 403


def test_what_the_provider_says_of_a_refusal_is_not_shown(
    sign_on: SignOn, visitor: Callable[..., Visitor]
) -> None:
    browser = visitor(sign_on(), "nobody")
    answer = browser.sign_in()
    assert answer.status_code == 401
    assert "refused there, or given up" in problem(answer)
    assert "given up</b>" not in answer.text
    assert not browser.is_in
    assert browser.trips == {}


def test_nobody_comes_back_twice(sign_on: SignOn, visitor: Callable[..., Visitor]) -> None:
    browser = visitor(sign_on(), "ada-there")
    door = browser.to_the_door()
    kept = browser.trips
    assert browser.get(door).status_code == 303
    # The browser has forgotten it; and whoever has not is refused by the provider.
    assert browser.get(door).status_code == 403
    stolen = visitor(browser.url).get_with(door, kept)
    assert stolen.status_code == 401
    assert "cannot be accepted" in problem(stolen)


def test_an_answer_that_another_browser_has_begun_means_nothing(
    sign_on: SignOn, visitor: Callable[..., Visitor]
) -> None:
    url = sign_on()
    attacker, victim = visitor(url, "ada-there"), visitor(url)
    door = attacker.to_the_door()
    # Neither in a browser that was never there, nor in one that is on its own way.
    for _ in range(2):
        answer = victim.get(door)
        assert answer.status_code == 403
        assert "not begun in this browser" in problem(answer)
        assert not victim.is_in
        victim.get("/sign-in/openid")
    own = parse_qs(urlsplit(victim.get("/sign-in/openid").headers["location"]).query)["state"][0]
    code = parse_qs(urlsplit(door).query)["code"][0]
    mixed = victim.get(f"/sign-in/openid/back?{urlencode({'state': own, 'code': code})}")
    assert mixed.status_code == 401
    assert not victim.is_in


def test_two_tabs_may_be_on_their_way_at_once(
    sign_on: SignOn, visitor: Callable[..., Visitor]
) -> None:
    browser = visitor(sign_on(), "ada-there")
    doors = [browser.to_the_door(f"/sign-in/openid?next=/run%3Fid%3D{n}") for n in (1, 2)]
    landed = [browser.get(door).headers["location"] for door in reversed(doors)]
    assert landed == ["/run?id=2", "/run?id=1"]
    assert browser.is_in


def test_a_browser_keeps_few_ways_at_once(sign_on: SignOn, visitor: Callable[..., Visitor]) -> None:
    browser = visitor(sign_on(), "ada-there")
    long = "/run?id=" + "x" * 1900
    for _ in range(8):
        browser.get(f"/sign-in/openid?{urlencode({'next': long})}")
    assert len(browser.trips) == 4
    assert browser.sign_in().status_code == 303


def test_a_very_long_address_does_not_burst_the_cookie(
    sign_on: SignOn, visitor: Callable[..., Visitor]
) -> None:
    browser = visitor(sign_on(), "ada-there")
    door = browser.to_the_door(f"/sign-in/openid?{urlencode({'next': '/run?id=' + 'x' * 3900})}")
    ((name, value),) = browser.trips.items()
    # What is longer, a browser does not keep.
    assert len(f"{name}={value}") < 4096
    assert browser.get(door).headers["location"] == "/"


def test_another_instance_takes_back_who_was_sent_by_the_first(
    sign_on: SignOn, serve: Serve, visitor: Callable[..., Visitor]
) -> None:
    provider = RealProvider(ACCOUNTS)
    first = sign_on(provider)
    second = serve(**provider.settings)
    browser = visitor(first, "ada-there")
    door = urlsplit(browser.to_the_door())
    behind = {"Host": urlsplit(first).netloc}
    answer = browser.client.get(f"{second}{door.path}?{door.query}", headers=behind)
    assert answer.status_code == 303
    assert browser.is_in


def test_nobody_is_sent_to_another_host_afterwards(
    sign_on: SignOn, visitor: Callable[..., Visitor]
) -> None:
    url = sign_on()
    for wanted in (
        "https://evil.example/", "//evil.example/", "/\\evil.example", "/sign-out",
        "javascript:1", "/%0d%0aSet-Cookie:x", "/run?id=" + "x" * 5000,
    ):  # fmt: skip
        answer = visitor(url, "ada-there").sign_in(f"/sign-in/openid?{urlencode({'next': wanted})}")
        landed = urljoin(url, answer.headers["location"])
        assert urlsplit(landed).netloc == urlsplit(url).netloc, wanted
        assert urlsplit(landed).path in {"/", "/%0d%0aSet-Cookie:x"}, wanted


def test_below_a_path_it_works_there(serve: Serve, visitor: Callable[..., Visitor]) -> None:
    with RealProvider(ACCOUNTS) as provider:
        url = serve("tools/rm", **provider.settings)
        provider.start(f"{url}/tools/rm")
        browser = visitor(url, "ada-there")
        answer = browser.sign_in("/tools/rm/sign-in/openid")
        assert answer.headers["location"] == "/tools/rm/"
        assert all("Path=/tools/rm/" in one for one in answer.headers.get_list("set-cookie"))
        assert browser.get("/tools/rm/").headers["content-type"] == "application/json"


def test_while_the_provider_is_away_the_form_still_works(
    serve: Serve, visitor: Callable[..., Visitor]
) -> None:
    url = serve(**RealProvider({}).settings)
    browser = visitor(url)
    answer = browser.get("/sign-in/openid?next=/run%3Fid%3D1")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "cannot be reached" in problem(answer)
    assert 'name="next" value="/run?id=1"' in answer.text
    browser.post("/sign-in", {"username": "ada", "password": PASSWORD})
    assert browser.is_in
    assert browser.post("/sign-out").headers["location"] == "/"


def test_a_provider_that_goes_away_meanwhile_lets_nobody_in(
    sign_on: SignOn, visitor: Callable[..., Visitor]
) -> None:
    provider = RealProvider(ACCOUNTS)
    browser = visitor(sign_on(provider), "ada-there")
    door = browser.to_the_door()
    provider.stop()
    assert browser.get(door).status_code == 503
    assert not browser.is_in


def test_without_a_provider_its_addresses_are_not_there(
    serve: Serve, visitor: Callable[..., Visitor]
) -> None:
    browser = visitor(serve())
    assert "Sign in with" not in browser.get("/").text
    for address in ("/sign-in/openid", "/sign-in/openid/back", "/sign-out/openid"):
        assert browser.get(address).status_code == 404
        assert browser.post(address).status_code == 404


def test_its_addresses_take_one_method_each(serve: Serve, visitor: Callable[..., Visitor]) -> None:
    browser = visitor(serve(**RealProvider({}).settings))
    for address in ("/sign-in/openid", "/sign-in/openid/back"):
        assert browser.post(address).headers["allow"] == "GET"
    assert browser.get("/sign-out/openid?iss=x&sid=y").headers["allow"] == "POST"


def test_without_node_the_tests_fail_and_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.fail.Exception, match="apt install nodejs npm"):
        install(FOLDER)
