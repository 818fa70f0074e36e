"""Who gets in: nobody sees a run, a name or a filter before an active admin has signed in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import jwt
import pytest

from pages.parts.signin import COOKIE_NAME
from tests.pages.conftest import COOKIE_KEY
from tests.pages.found import PAGE_NAMES
from tests.passwords import set_password

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hosts import HostWriter
    from tests.pages.conftest import Visitor

SECRETS = ("Merger talks", "kate", "Board room", "run-of-the-board")
PASSWORD = "correct horse"
REFUSAL = (
    "Not signed in: the name or the password is wrong, or the account is not that of an active "
    "administrator. Only administrators can use Run Manager."
)


@pytest.fixture(autouse=True)
def secret_run(host: HostWriter) -> None:
    """One run with names that nobody but an admin may see."""
    host.add_run("run-of-the-board", name="Merger talks", user="kate", workspace="Board room")
    host.add_traces("run-of-the-board")


def assert_shows_nothing(visitor: Visitor) -> None:
    shown = visitor.everything
    assert [secret for secret in SECRETS if secret in shown] == []


def sign_in(visitor: Visitor, name: str, password: str) -> Visitor:
    fields = visitor.app.text_input
    fields[0].set_value(name)
    fields[1].set_value(password)
    visitor.app.button[0].click()
    return visitor.look()


@pytest.mark.parametrize("page", PAGE_NAMES)
def test_anonymous_visitors_get_the_sign_in_form_on_every_page(
    anonymous: Visitor, page: str
) -> None:
    anonymous.at(page, id="run-of-the-board", search="Merger")
    assert anonymous.shows_only_sign_in
    # What the address itself says is no secret.
    assert "Merger talks" not in anonymous.everything
    assert "Board room" not in anonymous.everything


@pytest.mark.parametrize("script", PAGE_NAMES)
def test_a_page_that_is_run_without_the_shell_shows_nothing(
    visitor: Callable[..., Visitor], script: str
) -> None:
    direct = visitor(script)
    direct.app.query_params = {"id": "run-of-the-board"}
    direct.look()
    assert [error.value for error in direct.app.error] == ["Sign in to use Run Manager."]
    assert not list(direct.app.dataframe)
    assert_shows_nothing(direct)


@pytest.mark.parametrize("script", PAGE_NAMES)
def test_a_page_that_is_run_without_the_shell_refuses_who_is_no_admin(
    visitor: Callable[..., Visitor], script: str
) -> None:
    direct = visitor(script).signed_in_as("kate")
    direct.app.query_params = {"id": "run-of-the-board"}
    direct.look()
    assert not list(direct.app.dataframe)
    assert "Merger talks" not in direct.everything


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "wrong"),
        ("ada", ""),
        ("kate", PASSWORD),
        ("dennis", PASSWORD),
        ("nobody", PASSWORD),
        ("plain", "plain"),
        ("plain", PASSWORD),
        ("ada' OR 1=1 --", PASSWORD),
        ("ada\x00", PASSWORD),
        ("ada", "x" * 10_000),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_every_refusal_says_the_same(
    anonymous: Visitor, host: HostWriter, name: str, password: str
) -> None:
    host.add_user("dennis", is_admin=True)
    host.add_user("plain", is_admin=True)
    for user in ("ada", "kate", "dennis"):
        set_password(host, user, PASSWORD)
    host.execute("UPDATE users SET is_active = false WHERE username = 'dennis'")
    host.execute("UPDATE users SET password_hash = 'plain' WHERE username = 'plain'")
    sign_in(anonymous.at(), name, password)
    assert [error.value for error in anonymous.app.error] == [REFUSAL]
    assert anonymous.shows_only_sign_in
    assert_shows_nothing(anonymous)


def test_nobody_at_all_stays_at_the_form(anonymous: Visitor) -> None:
    sign_in(anonymous.at(), "", PASSWORD)
    assert anonymous.shows_only_sign_in


@pytest.mark.parametrize("name", ["ada", "Ada", " ada"])
def test_an_admin_signs_in(anonymous: Visitor, host: HostWriter, name: str) -> None:
    set_password(host, "ada", PASSWORD)
    sign_in(anonymous.at(), name, PASSWORD)
    assert anonymous.rows == ["run-of-the-board"]
    assert "signed in as ada" in anonymous.texts


def test_a_sign_in_after_a_refusal_shows_no_refusal(anonymous: Visitor, host: HostWriter) -> None:
    set_password(host, "ada", PASSWORD)
    sign_in(anonymous.at(), "ada", "wrong")
    sign_in(anonymous, "ada", PASSWORD)
    assert anonymous.rows == ["run-of-the-board"]
    assert not list(anonymous.app.error)


def test_whose_name_two_admins_share_is_not_let_in(anonymous: Visitor, host: HostWriter) -> None:
    host.add_user("ADA", is_admin=True)
    for name in ("ada", "ADA"):
        set_password(host, name, PASSWORD)
    sign_in(anonymous.at(), "ada", PASSWORD)
    assert [error.value for error in anonymous.app.error] == [REFUSAL]


def test_a_cookie_signed_here_is_a_sign_in(anonymous: Visitor, cookies: dict[str, str]) -> None:
    cookies[COOKIE_NAME] = cookie()
    assert anonymous.at().rows == ["run-of-the-board"]


def cookie(
    username: object = "ada", seconds: float = 60, key: str = COOKIE_KEY, algorithm: str = "HS256"
) -> str:
    claims = {"username": username, "exp_date": time.time() + seconds}
    return jwt.encode(claims, key, algorithm)


FORGED: dict[str, Callable[[], str]] = {
    "of another key": lambda: cookie(key="another key of thirty-two bytes or more"),
    "without a signature": lambda: cookie(key="", algorithm="none"),
    "of another algorithm": lambda: cookie(
        key="a key as long as the SHA-512 algorithm asks for: sixty-four bytes or more",
        algorithm="HS512",
    ),
    "expired": lambda: cookie(seconds=-1),
    "of nobody": lambda: cookie("nobody"),
    "of somebody who is no admin": lambda: cookie("kate"),
    "of a number": lambda: cookie(5),
    "of nothing": lambda: cookie(None),
    "without a time": lambda: jwt.encode({"username": "ada"}, COOKIE_KEY, "HS256"),
    "with a time in words": lambda: jwt.encode(
        {"username": "ada", "exp_date": "tomorrow"}, COOKIE_KEY, "HS256"
    ),
    "without a name": lambda: jwt.encode({"exp_date": time.time() + 60}, COOKIE_KEY, "HS256"),
    "that is none": lambda: "not.a.token",
    "that is empty": lambda: "",
    "of two parts": lambda: "eyJhbGciOiJIUzI1NiJ9.e30",
    "in other letters": lambda: "🍪.🍪.🍪",
    "changed by hand": lambda: cookie()[:-4] + "AAAA",
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_cookie_that_is_not_ours_shows_nothing_and_no_traceback(
    anonymous: Visitor, cookies: dict[str, str], kind: str
) -> None:
    cookies[COOKIE_NAME] = FORGED[kind]()
    anonymous.at()
    assert not list(anonymous.app.dataframe)
    assert not list(anonymous.app.sidebar.page_link)
    assert_shows_nothing(anonymous)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET is_admin = false WHERE username = 'ada'",
        "UPDATE users SET is_admin = NULL WHERE username = 'ada'",
        "UPDATE users SET is_active = false WHERE username = 'ada'",
        "DELETE FROM users WHERE username = 'ada'",
        "UPDATE users SET username = 'eve' WHERE username = 'ada'",
    ],
)
@pytest.mark.parametrize("page", PAGE_NAMES)
def test_who_is_no_admin_any_more_sees_the_refusal_and_nothing_else(
    ada: Visitor, host: HostWriter, change: str, page: str
) -> None:
    assert ada.at().rows
    host.execute(change)
    ada.at(page, id="run-of-the-board")
    assert [one.value for one in ada.app.markdown][-1] == "**This page is for administrators**"
    assert " ".join(ada.texts) == (
        "You are signed in as ada. Only active administrators can use Run Manager. "
        "Ask an administrator to give you the role."
    )
    assert [button.label for button in ada.app.button] == ["Sign out"]
    assert not list(ada.app.dataframe)
    assert not ada.app.sidebar.children
    assert "Merger talks" not in ada.everything


def test_who_is_demoted_at_an_open_dialog_deletes_nothing(ada: Visitor, host: HostWriter) -> None:
    ada.at().tick("run-of-the-board").press("delete_selected")
    assert ada.has_button("confirm_deletion")
    before = host.counts("run-of-the-board")
    host.execute("UPDATE users SET is_admin = false WHERE username = 'ada'")
    ada.press("confirm_deletion")
    assert host.counts("run-of-the-board") == before
    assert "Merger talks" not in ada.everything


def test_signing_out_ends_the_session(ada: Visitor) -> None:
    ada.at().tick("run-of-the-board")
    ada.press("sign_out")
    assert ada.shows_only_sign_in
    assert ada.selection == set()
    ada.look()
    assert ada.shows_only_sign_in


def test_the_next_who_signs_in_gets_nothing_of_the_last(ada: Visitor, host: HostWriter) -> None:
    host.add_user("grace", is_admin=True)
    set_password(host, "grace", PASSWORD)
    ada.at().tick("run-of-the-board").press("sign_out")
    sign_in(ada, "grace", PASSWORD)
    assert "signed in as grace" in ada.texts
    assert ada.selection == set()


def test_only_the_demo_shows_how_to_sign_in(anonymous: Visitor) -> None:
    assert not list(anonymous.at().app.code)
