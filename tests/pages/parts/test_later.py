"""What is drawn after the list: it leaves the database to the list, and is thrown away in time."""

from __future__ import annotations

import threading

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
