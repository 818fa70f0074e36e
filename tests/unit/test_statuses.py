"""What a status means: whatever its case, blanks and hyphens, and in the host's own words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runmanager.records import Statuses, StatusKind

RUNNING = (
    "pending", "queued", "busy", "in_progress", "streaming", "started", "active", "running",
)  # fmt: skip
KNOWN = {
    StatusKind.RUNNING: RUNNING,
    StatusKind.COMPLETED: ("completed", "complete", "success", "succeeded", "done", "finished"),
    StatusKind.FAILED: ("error", "failed", "failure", "timeout", "timed_out"),
    StatusKind.PAUSED: ("paused", "interrupted"),
    StatusKind.OTHER: ("cancelled", "canceled", "aborted", "stopped", "idle", "expired", "skipped"),
}
BLANKS = st.text(" \t\n\r\xa0", max_size=3)


@st.composite
def written(draw: st.DrawFn, words: tuple[str, ...]) -> str:
    """One of ``words`` as some host may write it."""
    word = draw(st.sampled_from(words)).replace("_", draw(st.sampled_from(["_", "-", " ", " - "])))
    cases = draw(st.lists(st.booleans(), min_size=len(word), max_size=len(word)))
    cased = (one.upper() if is_upper else one for one, is_upper in zip(word, cases, strict=True))
    return draw(BLANKS) + "".join(cased) + draw(BLANKS)


@pytest.mark.parametrize("kind", KNOWN)
@given(data=st.data())
def test_a_word_means_the_same_whatever_its_case_blanks_and_hyphens(
    kind: StatusKind, data: st.DataObject
) -> None:
    assert Statuses().kind(data.draw(written(KNOWN[kind]))) is kind


@pytest.mark.parametrize("status", ["frobnicating", "run", "not running", "", " \n", "-", None])
def test_a_status_that_nobody_knows_is_told_from_all_others(status: str | None) -> None:
    assert Statuses().kind(status) is StatusKind.UNKNOWN


@given(status=written(("brewing_tea", "stirring")))
def test_the_settings_words_run_and_are_written_in_any_way_too(status: str) -> None:
    statuses = Statuses(frozenset({"Brewing-Tea", " stirring "}))
    assert statuses.kind(status) is StatusKind.RUNNING
    assert Statuses().kind(status) is StatusKind.UNKNOWN


def test_the_settings_say_more_than_what_a_word_usually_means() -> None:
    statuses = Statuses(frozenset({"idle"}))
    assert statuses.kind("Idle") is StatusKind.RUNNING
    assert statuses.kind("stopped") is StatusKind.OTHER
    assert statuses.kind("queued") is StatusKind.RUNNING


def test_a_setting_of_hyphens_does_not_make_runs_without_a_status_run() -> None:
    assert Statuses(frozenset({"-", " "})).kind(None) is StatusKind.UNKNOWN
