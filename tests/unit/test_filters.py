"""RunFilter: to and from a query string, and to an English sentence."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from runmanager.filters import ENTRIES, MAX_TEXT, WITHOUT, RunFilter, query_problems
from runmanager.text import shorten

values = st.none() | st.text(min_size=1, max_size=50) | st.just(WITHOUT)


@st.composite
def filters(draw: st.DrawFn) -> RunFilter:
    return RunFilter(
        search=draw(st.text(max_size=200)).strip(),
        username=draw(values),
        workspace=draw(values),
    )


@given(filters())
def test_a_filter_survives_the_address_bar(run_filter: RunFilter) -> None:
    query = run_filter.to_query()
    assert RunFilter.from_query(query) == run_filter
    assert all(query.values())
    assert bool(run_filter) == bool(query)


@given(st.dictionaries(st.sampled_from(["search", "username", "workspace", "without"]), st.text()))
def test_any_address_gives_a_filter_that_gives_the_same_address_again(
    query: dict[str, str],
) -> None:
    once = RunFilter.from_query(query)
    assert RunFilter.from_query(once.to_query()) == once


@given(filters())
def test_each_condition_appears_in_the_sentence(run_filter: RunFilter) -> None:
    sentence = run_filter.describe()
    assert "\n" not in sentence
    assert bool(sentence) == bool(run_filter)
    for key, _value in run_filter.chosen():
        assert ENTRIES[key].word in sentence


def test_the_sentence_reads_as_english() -> None:
    run_filter = RunFilter(search="order 1", username="kate", workspace="w-1")
    assert (
        run_filter.describe({"workspace": "Ops"})
        == "search “order 1” and user “kate” and workspace “Ops”"
    )
    assert run_filter.describe() == "search “order 1” and user “kate” and workspace “w-1”"
    without = RunFilter(username=WITHOUT, workspace=WITHOUT)
    assert without.describe() == "no known user and no known workspace"
    assert RunFilter().describe() == ""


def test_a_value_outweighs_the_runs_without_one_and_a_problem_says_so() -> None:
    query = {"username": "kate", "without": "user,workspace,else,search"}
    assert RunFilter.from_query(query) == RunFilter(username="kate", workspace=WITHOUT)
    words = ", ".join(entry.word for entry in ENTRIES.values() if entry.has_without)
    assert tuple(one.sentence for one in query_problems(query)) == (
        "“without=user” and “username” exclude each other.",
        f"“without” knows these words only: {words}.",
    )
    assert query_problems({"username": "kate", "without": " workspace , "}) == ()


def test_what_a_value_is_called_is_never_taken_for_the_runs_without_one() -> None:
    for value in ("without", "no known user", "(no known user)", WITHOUT.value):
        named = RunFilter(username=value)
        assert RunFilter.from_query(named.to_query()) == named != RunFilter(username=WITHOUT)


def test_a_filter_can_be_cut_down_to_some_of_its_entries() -> None:
    run_filter = RunFilter(search="order", username="kate", workspace=WITHOUT)
    assert run_filter.only(("username", "workspace")) == replace(run_filter, search="")
    assert run_filter.cleared("workspace") == RunFilter(search="order", username="kate")


def test_blanks_belong_to_a_name() -> None:
    assert RunFilter.from_query({"username": " kate "}).username == " kate "


def test_parameters_of_others_are_left_alone() -> None:
    assert RunFilter.from_query({"page": "3", "utm": "x"}) == RunFilter()


def test_a_search_is_trimmed_and_cut() -> None:
    assert RunFilter.from_query({"search": "  order  "}).search == "order"
    assert len(RunFilter.from_query({"search": "x" * 20_000}).search) == MAX_TEXT


def test_shortened_text_is_one_line_of_bounded_length() -> None:
    assert shorten("a\n b\t c", 10) == "a b c"
    assert shorten("x" * 10, 10) == "x" * 10
    assert shorten("x" * 11, 10) == "x" * 9 + "…"
