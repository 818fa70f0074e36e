"""Records: what a run is called, and secrets that are not printed."""

from __future__ import annotations

import pytest

from runmanager.records import (
    Account,
    Excerpt,
    JsonText,
    PlannedRun,
    RunSummary,
    StatusKind,
    Ticket,
)


def test_a_run_without_a_name_is_called_by_its_id() -> None:
    kind = StatusKind.UNKNOWN
    assert RunSummary("t-1", None, None, kind, None, None, None, None, None).title == "t-1"
    assert PlannedRun("t-1", None, None, kind, None).title == "t-1"
    assert PlannedRun("t-1", "Order", None, kind, None).title == "Order"


def test_what_signs_somebody_in_is_not_printed() -> None:
    account = Account("7", "ada", "$2b$secret", is_admin=True)
    assert repr(account) == "Account(user_id='7', username='ada', is_admin=True)"
    assert repr(Ticket("secret id", "7", "secret hash")) == "Ticket(user_id='7')"


def test_a_text_that_is_cut_says_how_much_is_left_out() -> None:
    cut = Excerpt("the beg", "he end", 1_234)
    assert cut.is_cut
    assert cut.shown == 13
    assert cut.text == "the beg\n… 1,221 characters left out …\nhe end"
    assert "… 1 character left out …" in Excerpt("a", "c", 3).text


@pytest.mark.parametrize("text", ["", "short"])
def test_a_whole_text_is_shown_as_it_is(text: str) -> None:
    whole = Excerpt(text, "", len(text))
    assert not whole.is_cut
    assert whole.text == text


def test_json_knows_when_only_its_beginning_was_read() -> None:
    assert JsonText("[1,", 10).is_cut
    assert not JsonText("[1]", 3).is_cut
