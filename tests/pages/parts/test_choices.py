"""The lists of the filters: whatever values are called, no two entries have the same label."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pages.parts.choices import ChoiceList, distinct
from runmanager.filters import WITHOUT, RunFilter
from runmanager.records import FilterChoice

words = st.sampled_from(
    ["ops", "w2", "ops · w2", "ops (2)", "ops · without a name", "(no known workspace)",
     "(runs without a workspace)", "(runs without a workspace) (2)"]
)  # fmt: skip


@given(st.dictionaries(words, st.none() | words))
def test_no_two_entries_have_the_same_label(named: dict[str, str | None]) -> None:
    found = [FilterChoice(value, name) for value, name in named.items()]
    entries = distinct(found, "workspace", has_without=True)
    assert [one.value for one in entries] == [*named, WITHOUT]
    assert len({one.label for one in entries}) == len(entries)


def test_a_value_that_is_not_listed_is_told_apart_too() -> None:
    entries = distinct([FilterChoice("m-1", "m-1")], "model", has_without=True)
    offered = ChoiceList(entries, RunFilter(), is_complete=False)
    assert offered.including("m-1") == offered.including(None) == offered
    added = offered.including("(no known model)").entries[-1]
    assert (added.value, added.label) == ("(no known model)", "(no known model) (2)")
    complete = ChoiceList(entries, RunFilter(), is_complete=True)
    assert complete.including("m-2") == complete


def test_values_are_called_by_their_names_and_where_those_are_equal_by_both() -> None:
    found = [FilterChoice("w1", "Ops"), FilterChoice("w2", "Ops"), FilterChoice("w3", None)]
    labels = [one.label for one in distinct(found, "workspace", has_without=True)]
    assert labels == ["Ops · w1", "Ops · w2", "w3", "(no known workspace)"]
    assert distinct([], "search", has_without=False) == ()
