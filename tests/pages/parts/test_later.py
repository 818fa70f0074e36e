"""What is drawn after the list: it leaves the database to the list, and is thrown away in time."""

from __future__ import annotations

import threading

from streamlit.testing.v1 import AppTest

from pages.parts import later


class Question:
    """A question that waits until it may be answered."""

    def __init__(self, answer: int) -> None:
        self.answer = answer
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self) -> int:
        self.begun.set()
        assert self.go_on.wait(10)
        return self.answer


def test_one_question_of_a_session_is_at_work_at_a_time() -> None:
    asked, one, other = later._Asked(), Question(1), Question(2)
    first, second = asked.ask("chart", "a", one), asked.ask("counts", "a", other)
    assert one.begun.wait(10)
    # The other connections of this admin are free for the list.
    assert not other.begun.wait(0.1)
    one.go_on.set()
    other.go_on.set()
    assert (first.result(10), second.result(10)) == (1, 2)


def test_what_nobody_asks_any_more_is_not_begun() -> None:
    asked, slow, old, new = later._Asked(), Question(1), Question(2), Question(3)
    asked.ask("chart", "a", slow)
    asked.ask("counts", "a", old)
    found = asked.ask("counts", "b", new)
    for question in (slow, old, new):
        question.go_on.set()
    assert found.result(10) == 3
    assert not old.begun.is_set()


def test_the_same_is_asked_once() -> None:
    asked, one = later._Asked(), Question(1)
    one.go_on.set()
    assert asked.ask("chart", "a", one) is asked.ask("chart", "a", Question(2))


def test_another_session_does_not_wait() -> None:
    slow, quick = Question(1), Question(2)
    later._Asked().ask("chart", "a", slow)
    quick.go_on.set()
    assert later._Asked().ask("chart", "a", quick).result(10) == 2
    slow.go_on.set()


def asks_while_a_click_waits() -> None:
    """A page whose part waits for an answer while the browser has asked for that part again."""
    import time

    import streamlit as st
    from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
    from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

    from pages.parts import later

    said = st.session_state.setdefault("said", [])

    def slow() -> str:
        time.sleep(0.5)
        return "told"

    @st.fragment(key="part")
    def part() -> None:
        context = get_script_run_ctx()
        assert context is not None
        assert context.script_requests is not None
        if not said:
            ids = context.fragment_storage.resolve_target("part")
            context.script_requests.request_rerun(RerunData(fragment_id_queue=ids))
        began = time.monotonic()
        try:
            said.append(later.answer("this", 1, slow))
        except later.NotYetError:
            assert time.monotonic() - began < 0.4
            said.append("put off")

    part()


def test_what_waits_gives_way_to_a_click_and_is_told_after_it() -> None:
    page = AppTest.from_function(asks_while_a_click_waits, default_timeout=20).run()
    assert not page.exception
    assert page.session_state["said"] == ["put off", "told"]
