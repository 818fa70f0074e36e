"""What is drawn after the list: asked for beside the script, so that no click waits for it."""

from __future__ import annotations

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

# Most answers are there by then: each run of a fragment is work for the browser, too.
_PATIENCE_SECONDS = 0.08
_LISTENING_SECONDS = 0.02
# Each waits for the database; how many of them it answers at once is decided there.
_pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="later")


@dataclass
class _Asked:
    """The last question of each name: what it was about, and its answer to come."""

    questions: dict[str, tuple[object, Future[Any]]] = field(default_factory=dict)


def answer(name: str, about: object, question: Callable[[], T]) -> T:
    """What ``question`` returns, or raises; asked once for as long as it is about the same.

    To be called in a fragment. While the answer is not there, the fragment runs again and again: a
    click that comes meanwhile is heard between two of its runs. An answer to what is not asked any
    more is thrown away. ``question`` draws nothing and reads nothing of the session.
    """
    questions = session.slot(_Asked).questions
    if name not in questions or questions[name][0] != about:
        if name in questions:
            questions[name][1].cancel()
        questions[name] = about, _pool.submit(question)
    asked = questions[name][1]
    if not wait([asked], timeout=_PATIENCE_SECONDS).done:
        # Streamlit allows this wherever not the whole page runs.
        with suppress(StreamlitAPIException):
            st.rerun(scope="fragment")
        while not wait([asked], timeout=_LISTENING_SECONDS).done:
            session.listen()
    try:
        found: T = asked.result()
    except BaseException:
        # It is asked again when it is next drawn.
        questions.pop(name, None)
        raise
    return found
