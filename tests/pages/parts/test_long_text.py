"""A long text on a page: both its ends, its length, and all of it on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamlit.testing.v1 import AppTest

from runmanager.errors import DatabaseTooSlowError
from runmanager.records import Excerpt
from tests.texts import whole

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = """
import streamlit as st

from pages.parts.long_text import draw_excerpt

excerpt, load_whole = st.session_state["text"]
draw_excerpt(excerpt, load_whole, "error")
"""
TEXT = "**first** line\n" + "x" * 38_000 + "\n<b>last</b> line"
CUT = Excerpt(TEXT[:10_000], TEXT[-10_000:], len(TEXT))


def page(excerpt: Excerpt, load_whole: Callable[[], str]) -> AppTest:
    """A page with nothing but this text on it."""

    app = AppTest.from_string(SCRIPT, default_timeout=30)
    app.session_state["text"] = excerpt, load_whole
    assert not app.run().exception
    return app


def never() -> str:
    raise AssertionError("a text that nobody asked for was read")


def shown(app: AppTest) -> list[str]:
    return [one.value for one in app.code]


def test_a_whole_text_is_shown_as_it_is_with_no_button() -> None:
    for text in ("", "Timeout in tool “search”", "x" * 20_000):
        app = page(whole(text), never)
        assert shown(app) == [text]
        assert not list(app.button)


def test_a_cut_text_shows_both_its_ends_and_how_long_it_is() -> None:
    app = page(CUT, never)
    assert shown(app) == [CUT.head, CUT.tail]
    assert [one.value for one in app.text] == [
        "The beginning and the end: showing 20,000 of 38,032 characters",
        "… 18,032 left out …",
    ]
    assert {one.language for one in app.code} == {"plaintext"}


def test_all_of_it_is_read_and_shown_on_request() -> None:
    read: list[str] = []

    def load() -> str:
        read.append(TEXT)
        return TEXT

    app = page(CUT, load)
    assert read == []
    app.button(key="error-all").click().run()
    assert not app.exception
    assert read == [TEXT]
    assert shown(app) == [TEXT]
    assert [one.value for one in app.text] == ["All 38,032 characters"]
    # Another run of the page does not read it again.
    assert shown(app.run()) == [CUT.head, CUT.tail]
    assert read == [TEXT]


def test_what_cannot_be_read_is_said_in_words() -> None:
    def fail() -> str:
        raise DatabaseTooSlowError

    app = page(CUT, fail)
    app.button(key="error-all").click().run()
    assert not app.exception
    told = [one.value for one in app.text]
    assert any(one.startswith(f"{DatabaseTooSlowError().message} (error ") for one in told)
    app.button(key="try_again").click().run()
    assert shown(app) == [CUT.head, CUT.tail]
