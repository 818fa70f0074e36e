"""What is drawn after the list: asked for beside the script, so that no click waits for it."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from pages.parts import session

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# The browser has painted the list by then: a chart that came with it would hold it up.
_PAINTING_SECONDS = 0.15
_LISTENING_SECONDS = 0.02
_CATCHING_UP_SECONDS = 0.3


class NotYetError(Exception):
    """A click has come before the answer: it goes first, and the answer is drawn after it."""


def _line() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="later")


@dataclass
class _Asked:
    """The last question of each name: what it was about, and its answer to come.

    They are asked one after the other: side by side, those of a few filters that were left would
    hold every connection that the admin may have, and the list would wait for them.
    ``list_drawn_at`` is when the list was, by the monotonic clock, and ``put_off_at`` when a part
    gave way to a click.
    """

    questions: dict[str, tuple[object, Future[Any]]] = field(default_factory=dict)
    list_drawn_at: float = 0.0
    put_off_at: float = 0.0
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

    An answer to what is not asked any more is thrown away. ``question`` draws nothing and reads
    nothing of the session. Raises NotYetError where a click has come meanwhile: the part then draws
    ``catch_up`` in its place, and ends.
    """
    held = session.slot(_Asked)
    asked = held.ask(name, about, question)
    while not _is_due(asked, held.list_drawn_at):
        if session.is_asked_for_more():
            held.put_off_at = time.monotonic()
            raise NotYetError
        time.sleep(_LISTENING_SECONDS)
    try:
        found: T = asked.result()
    except BaseException:
        # It is asked again when it is next drawn.
        held.questions.pop(name, None)
        raise
    return found


@st.fragment(run_every=_CATCHING_UP_SECONDS)
def catch_up() -> None:
    """Draw the page once more when the click that went first is answered."""
    if time.monotonic() >= session.slot(_Asked).put_off_at + _CATCHING_UP_SECONDS / 2:
        st.rerun()


def _is_due(asked: Future[Any], list_drawn_at: float) -> bool:
    return asked.done() and time.monotonic() >= list_drawn_at + _PAINTING_SECONDS
