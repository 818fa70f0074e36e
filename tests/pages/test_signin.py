"""Who gets in: nobody sees a run, a name or a filter but an active admin whom the guard names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamlit import config

from tests.pages.found import PAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.hosts import HostWriter
    from tests.pages.conftest import Visitor

SECRETS = ("Merger talks", "kate", "Board room", "run-of-the-board")
NO_ADMIN = (
    "Only active administrators can use Run Manager. Ask an administrator to give you the role."
)


@pytest.fixture(autouse=True)
def secret_run(host: HostWriter) -> None:
    """One run with names that nobody but an admin may see."""
    host.add_run("run-of-the-board", name="Merger talks", user="kate", workspace="Board room")
    host.add_traces("run-of-the-board")


@pytest.fixture
def below_tools() -> Iterator[None]:
    """Let the dashboard be served below a base path."""
    config.set_option("server.baseUrlPath", "/tools/rm/")
    yield
    config.set_option("server.baseUrlPath", "")


def assert_shows_nothing(visitor: Visitor) -> None:
    shown = visitor.everything
    assert [secret for secret in SECRETS if secret in shown] == []


@pytest.mark.parametrize("page", PAGE_NAMES)
def test_anonymous_visitors_see_nothing_on_any_page(anonymous: Visitor, page: str) -> None:
    anonymous.at(page, id="run-of-the-board", search="Merger")
    assert anonymous.is_turned_away
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
    assert direct.is_turned_away
    assert_shows_nothing(direct)


@pytest.mark.parametrize("script", PAGE_NAMES)
def test_a_page_that_is_run_without_the_shell_refuses_who_is_no_admin(
    visitor: Callable[..., Visitor], host: HostWriter, script: str
) -> None:
    direct = visitor(script).signed_in_as("ada")
    host.execute("UPDATE users SET is_admin = false WHERE username = 'ada'")
    direct.app.query_params = {"id": "run-of-the-board"}
    direct.look()
    assert direct.texts == [NO_ADMIN]
    assert not list(direct.app.dataframe)
    assert "Merger talks" not in direct.everything


@pytest.mark.parametrize("script", ["shell.py", *PAGE_NAMES])
@pytest.mark.parametrize("missing", ["user_id", "username", "session", "fingerprint"])
def test_half_an_identity_is_none(
    ada: Visitor, visitor: Callable[..., Visitor], script: str, missing: str
) -> None:
    assert ada.identity is not None
    for instead in (None, ""):
        direct = visitor(script)
        direct.app.user = ada.identity.fields() | {missing: instead}
        assert direct.look().is_turned_away
        assert_shows_nothing(direct)


def test_an_admin_is_let_in_and_named(ada: Visitor) -> None:
    assert ada.at().rows == ["run-of-the-board"]
    assert "signed in as ada" in ada.texts


@pytest.mark.parametrize("name", ["Zoë 🦉", "a%20b", "a;b,c", "50 %", "line\nbreak"])
def test_a_name_of_any_letters_is_one_and_the_same_at_the_guard_and_on_the_page(
    visitor: Callable[..., Visitor], host: HostWriter, name: str
) -> None:
    host.add_user(name, is_admin=True)
    zoe = visitor().signed_in_as(name)
    assert zoe.identity is not None
    assert all(value.isascii() and value.isprintable() for value in zoe.identity.fields().values())
    assert f"signed in as {name}" in zoe.at().texts


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
    assert [one.value for one in ada.app.markdown][-1] == "**You cannot use Run Manager**"
    assert ada.texts == [NO_ADMIN]
    assert not list(ada.app.button)
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


def test_the_way_out_asks_the_guard(ada: Visitor) -> None:
    assert way_out(ada.at()) == ("/sign-out", "/sign-out?everywhere=1")


def test_the_way_out_is_below_the_base_path(ada: Visitor, below_tools: None) -> None:
    assert way_out(ada.at()) == ("/tools/rm/sign-out", "/tools/rm/sign-out?everywhere=1")


def way_out(visitor: Visitor) -> tuple[str, str]:
    """Where the two buttons in the sidebar lead."""
    (form,) = (one for one in visitor.rendered if "way-out" in one and "<form" in one)
    assert 'method="post"' in form.replace("\\", "")
    found = form.replace("\\", "").split('action="')[1:]
    action, everywhere = (one.split('"')[0] for one in found)
    return action, everywhere
