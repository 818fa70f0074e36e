"""What is drawn after the list: asked for beside the script, so that no click waits for it."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st
from streamlit.errors import StreamlitAPIException

from pages.parts import session

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# The browser has painted the list by then: a chart that came with it would hold it up.
_PAINTING_SECONDS = 0.15
# How long a click may have to wait between two runs of a fragment; each is work for the browser.
_PATIENCE_SECONDS = 0.1
_LISTENING_SECONDS = 0.02


def _line() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="later")


@dataclass
class _Asked:
    """The last question of each name: what it was about, and its answer to come.

    They are asked one after the other: side by side, those of a few filters that were left would
    hold every connection that the admin may have, and the list would wait for them.
    ``list_drawn_at`` is when the list was, by the monotonic clock.
    """

    questions: dict[str, tuple[object, Future[Any]]] = field(default_factory=dict)
    list_drawn_at: float = 0.0
    line: ThreadPoolExecutor = field(default_factory=_line)

    def ask(self, name: str, about: object, question: Callable[[], Any]) -> Future[Any]:
        """The answer to come; what was asked of that name before, about something else, is not
        begun any more.
        """
        known = self.questions.get(name)
        if known is not None and known[0] == about:
            return known[1]
        if known is not None:
            known[1].cancel()
        asked = self.line.submit(question)
        self.questions[name] = about, asked
        return asked


def list_was_drawn() -> None:
    """Give the browser a moment for the list, before what is drawn after it."""
    session.slot(_Asked).list_drawn_at = time.monotonic()


def answer(name: str, about: object, question: Callable[[], T]) -> T:
    """What ``question`` returns, or raises; asked once for as long as it is about the same.

    To be called in a fragment. While the answer is not there, the fragment runs again and again: a
    click that comes meanwhile is heard between two of its runs. An answer to what is not asked any
    more is thrown away. ``question`` draws nothing and reads nothing of the session.
    """
    held = session.slot(_Asked)
    asked = held.ask(name, about, question)
    until = time.monotonic() + _PATIENCE_SECONDS
    while not (is_due := _is_due(asked, held.list_drawn_at)) and time.monotonic() < until:
        time.sleep(_LISTENING_SECONDS)
    if not is_due:
        # Streamlit allows this wherever not the whole page runs.
        with suppress(StreamlitAPIException):
            st.rerun(scope="fragment")
        while not wait([asked], timeout=_LISTENING_SECONDS).done:
            session.listen()
    try:
        found: T = asked.result()
    except BaseException:
        # It is asked again when it is next drawn.
        held.questions.pop(name, None)
        raise
    return found


def _is_due(asked: Future[Any], list_drawn_at: float) -> bool:
    return asked.done() and time.monotonic() >= list_drawn_at + _PAINTING_SECONDS
