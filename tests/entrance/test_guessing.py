"""How guessing is slowed: at once, for form and API together, and without locking anybody out."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from runmanager.api.application import PREFIX
from runmanager.entrance.cookies import DEVICE_NAME
from runmanager.service.guessing import ADDRESS, NAME, Rule
from tests.conftest import every_store
from tests.entrance.conftest import DASHBOARD, Browser
from tests.hosts import PASSWORD

if TYPE_CHECKING:
    from tests.entrance.conftest import Answer, OpenSite, Site
    from tests.hosts import HostWriter
    from tests.stores import StorePlace


def guess(browser: Browser, name: str = "ada", times: int = 1) -> list[int]:
    """Try wrong passwords; how each try was answered."""
    return [browser.sign_in(name, "wrong").status for _try in range(times)]


def at_the_api(browser: Browser, name: str, password: str) -> Answer:
    """Ask the API for a token."""
    return browser.post(f"{PREFIX}/token", {"username": name, "password": password})


def test_from_the_sixth_try_on_one_waits_ever_longer(browser: Browser) -> None:
    assert guess(browser, times=5) == [401] * 5
    for seconds in (4, 8, 16, 32, 64, 128, 256, 512, 900, 900):
        # Also with the right password: who guesses must not learn that they have found it.
        answer = browser.sign_in("ada", PASSWORD)
        assert answer.status == 429
        assert answer.header("retry-after") == str(seconds)
        assert answer.is_sign_in_page
        assert answer.problem == (
            f"Too many attempts to sign in. Wait {seconds} seconds, then try again."
        )
        assert answer.cookies == {}


def test_nobody_is_kept_waiting_inside_a_request(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert Counter(guess(browser, times=15)) == {401: 5, 429: 10}
    assert slept == []


def test_who_waits_is_let_in_and_their_failures_are_forgotten(browser: Browser) -> None:
    guess(browser, times=5)
    answer = browser.sign_in()
    assert answer.status == 429
    time.sleep(int(answer.header("retry-after") or 0))
    assert browser.sign_in().status == 303
    browser.cookies.clear()
    assert guess(browser, times=6) == [401] * 5 + [429]


def test_the_rule_counts_from_the_last_try() -> None:
    rule = Rule(free=2, longest=10.0)
    assert [rule.wait(failures, 0.0) for failures in range(8)] == [0, 0, 2, 4, 8, 10, 10, 10]
    assert rule.wait(4, 5.0) == 3.0
    assert rule.wait(4, 9.0) == 0.0
    assert rule.wait(10**9, 0.0) == 10.0
    assert (NAME.free, ADDRESS.longest) == (5, 5.0)


@every_store
def test_the_count_is_kept_over_a_restart_and_shared_by_instances(
    open_site: OpenSite, store_place: StorePlace
) -> None:
    store: dict[str, Any] = {"state_dir": store_place.folder, "state_url": store_place.url}
    browser, other = Browser(open_site(**store)), Browser(open_site(**store), address="203.0.113.9")
    assert guess(browser, times=3) == [401] * 3
    assert guess(other, times=3) == [401, 401, 429]
    assert guess(browser) == [429]
    browser.site.manager.close()
    assert guess(Browser(open_site(**store))) == [429]


def test_form_and_api_have_one_count(browser: Browser) -> None:
    for _try in range(3):
        assert guess(browser) == [401]
        assert at_the_api(browser, "ada", "wrong").status in {401, 429}
    assert guess(browser) == [429]
    answer = at_the_api(browser, "ada", PASSWORD)
    assert answer.status == 429
    assert int(answer.header("retry-after") or 0) > 1
    assert "Too many attempts to sign in" in json.loads(answer.text)["detail"]


@every_store
def test_many_at_once_gain_nothing(open_site: OpenSite, store_place: StorePlace) -> None:
    site = open_site(state_dir=store_place.folder, state_url=store_place.url)
    browsers = [Browser(site, address=f"203.0.113.{number}") for number in range(20)]
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda one: one.sign_in("ada", "wrong").status, browsers))
    assert Counter(answers) == {401: 5, 429: 15}


def test_a_name_is_the_same_however_it_is_written_and_others_are_free(
    browser: Browser, host: HostWriter
) -> None:
    host.add_user("grace", is_admin=True)
    for name in ("ada", "ADA", " ada", "Ada ", "aDa"):
        assert guess(browser, name) == [401]
    assert guess(browser, "ada") == [429]
    assert browser.sign_in("grace").status == 303


def test_a_name_that_nobody_has_is_slowed_like_one_that_somebody_has(browser: Browser) -> None:
    known = [browser.sign_in("ada", "wrong") for _try in range(7)]
    made_up = [browser.sign_in("nobody", "wrong") for _try in range(7)]
    assert [one.status for one in known] == [one.status for one in made_up]
    assert [one.problem for one in known] == [one.problem for one in made_up]


def test_made_up_names_do_not_keep_a_real_admin_out(browser: Browser, site: Site) -> None:
    for number in range(150):
        assert browser.sign_in(f"made up {number}", "x").status in {401, 429}
    assert Browser(site, address="203.0.113.9").sign_in().status == 303
    # From the same address one waits five seconds at the most, once.
    began = time.monotonic()
    answer = browser.sign_in()
    if answer.status == 429:
        wait = int(answer.header("retry-after") or 0)
        assert wait <= 5
        time.sleep(wait)
        answer = browser.sign_in()
    assert answer.status == 303
    assert time.monotonic() - began < 10


def test_a_browser_that_has_signed_in_before_is_let_in_while_its_name_is_guessed(
    ada: Browser, site: Site
) -> None:
    ada.sign_out()
    attacker = Browser(site, address=ada.address)
    for number in range(40):
        attacker.sign_in("ada", "wrong")
        attacker.sign_in(f"made up {number}", "wrong")
    assert guess(attacker) == [429]
    assert ada.sign_in().status == 303
    assert ada.get().text == DASHBOARD
    # Which does not make it easier for the others.
    assert guess(attacker) == [429]


def test_a_browser_that_has_signed_in_before_may_guess_no_more_than_others(ada: Browser) -> None:
    assert guess(ada, times=7) == [401] * 5 + [429] * 2
    other = Browser(ada.site, address="203.0.113.9")
    assert guess(other) == [401]


def test_what_a_browser_kept_is_good_for_that_name_only(ada: Browser, host: HostWriter) -> None:
    host.add_user("grace", is_admin=True)
    assert guess(Browser(ada.site, address="203.0.113.9"), "grace", times=6)[-1] == 429
    assert ada.sign_in("grace").status == 429


@pytest.mark.parametrize("change", ["id", "no id", "hash", "no hash", "longer", "nonsense"])
def test_what_a_browser_kept_cannot_be_made_up(ada: Browser, change: str) -> None:
    device_id, fingerprint = ada.cookies[DEVICE_NAME].split(".")
    kept = {
        "id": f"{device_id[:-1]}{'x' if device_id[-1] != 'x' else 'y'}.{fingerprint}",
        "no id": f".{fingerprint}",
        "hash": f"{device_id}.{'0' * len(fingerprint)}",
        "no hash": f"{device_id}.",
        "longer": f"{device_id}.{fingerprint}.{fingerprint}",
        "nonsense": "é.é",
    }[change]
    assert guess(Browser(ada.site, address="203.0.113.9"), times=6)[-1] == 429
    attacker = Browser(ada.site, cookies={DEVICE_NAME: kept})
    assert attacker.sign_in().status == 429


def test_an_address_may_try_twenty_names_and_then_slowly(browser: Browser, site: Site) -> None:
    answers = [guess(browser, f"name {number}")[0] for number in range(21)]
    assert answers == [401] * 20 + [429]
    assert guess(Browser(site, address="203.0.113.9"), "name 21") == [401]


def test_who_hammers_keeps_nobody_else_of_the_address_waiting_longer(browser: Browser) -> None:
    for number in range(20):
        assert guess(browser, f"name {number}") == [401]
    # A second later one more is let in, though others were sent off meanwhile.
    answers: list[int] = []
    deadline = time.monotonic() + 4
    while 401 not in answers and time.monotonic() < deadline:
        answers += guess(browser, f"more {len(answers)}")
        time.sleep(0.05)
    assert answers.count(429) > 1
    assert answers[-1] == 401


def test_the_addresses_of_one_customer_are_one(site: Site) -> None:
    answers = [
        guess(Browser(site, address=f"2001:db8:0:7::{number:x}"), f"name {number}")[0]
        for number in range(21)
    ]
    assert answers == [401] * 20 + [429]
    assert guess(Browser(site, address="2001:db8:0:8::1"), "name 21") == [401]
    mapped = [
        guess(Browser(site, address=f"::ffff:203.0.113.{number}"), f"other {number}")[0]
        for number in range(21)
    ]
    assert mapped == [401] * 21


def test_those_who_know_their_password_use_nothing_up(browser: Browser, host: HostWriter) -> None:
    for number in range(30):
        host.add_user(f"admin {number}", is_admin=True)
    for number in range(30):
        browser.forget_device()
        assert browser.sign_in(f"admin {number}").status == 303
