"""The runs page: what is selected, on one page, on all of them, and under other filters."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pages.parts import selection, session
from runmanager.queries.listing.limits import Limits
from tests.hosts import fill
from tests.pages.conftest import Visitor
from tests.statements import recorded

if TYPE_CHECKING:
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def thirty(host: HostWriter) -> list[str]:
    """Thirty runs a minute apart, the newest first, every third one failed."""
    runs = [f"run-{number:02}" for number in range(30)]
    for number, run in enumerate(runs):
        host.add_run(
            run,
            name=f"Order {number}",
            status="completed" if number % 3 else "failed",
            created_at=NOON - timedelta(minutes=number),
        )
    return runs


def test_a_page_then_all_that_match_are_selected_as_they_are_at_that_moment(
    ada: Visitor, host: HostWriter, thirty: list[str]
) -> None:
    ada.at(page_size="10")
    assert ada.app.button(key="select_page").label == "Select all 10 on this page"
    ada.press("select_page")
    assert {"10 selected", "All 10 on this page are selected ·"} <= set(ada.texts)
    assert ada.app.button(key="select_all").label == "Select all 30 that match"
    host.add_run("too late", created_at=NOON - timedelta(minutes=3))
    ada.press("select_all")
    # Frozen when it was pressed, not when the button was drawn.
    assert ada.selection == {*thirty, "too late"}
    host.add_run("later", created_at=NOON - timedelta(minutes=4))
    ada.press("refresh")
    assert ada.selection == {*thirty, "too late"}
    assert any(re.fullmatch(r"31 selected, as of \d\d:\d\d:\d\d", one) for one in ada.texts)
    assert ada.app.button(key="delete_selected").label == "Delete 31"
    assert not any("on this page are selected" in one for one in ada.texts)


def test_a_list_on_one_page_is_not_offered_twice(ada: Visitor, thirty: list[str]) -> None:
    ada.at(page_size="50").press("select_page")
    assert ada.selection == set(thirty)
    assert not ada.has_button("select_page")
    assert not ada.has_button("select_all")
    # The last page is not the whole list.
    ada.press("clear_selection").at(page_size="25", page="2").press("select_page")
    assert ada.app.button(key="select_all").label == "Select all 30 that match"


def test_all_that_match_are_those_of_the_filter(ada: Visitor, thirty: list[str]) -> None:
    ada.at(kind="failed", page_size="5").press("select_page").press("select_all")
    assert ada.selection == set(thirty[::3])


def test_what_is_frozen_stays_selected_while_filters_change(
    ada: Visitor, thirty: list[str]
) -> None:
    ada.at(page_size="10").press("select_page").press("select_all")
    for query, hidden in (({"kind": "failed"}, 20), ({"search": "Order 2"}, 19)):
        ada.at(**query)
        assert ada.selection == set(thirty)
        assert ada.app.button(key="delete_selected").label == "Delete 30"
        assert ada.app.button(key="list_hidden").label == f"{hidden} not in this list"
    ada.at(page_size="10")
    assert not ada.has_button("list_hidden")
    assert "20 on other pages" in ada.texts


def test_what_is_selected_elsewhere_does_not_count_as_a_part_of_this_list(
    ada: Visitor, thirty: list[str]
) -> None:
    ada.at(kind="completed", page_size="5").press("select_page").press("select_all")
    ada.at(kind="failed", page_size="5").press("select_page")
    assert len(ada.selection) == 25
    assert ada.app.button(key="list_hidden").label == "20 not in this list"
    assert ada.app.button(key="select_all").label == "Select all 10 that match"


def test_exceptions_are_taken_out_of_all_that_match(ada: Visitor, thirty: list[str]) -> None:
    ada.at(page_size="10").press("select_page").press("select_all")
    ada.tick("run-03", "run-05", to=False)
    assert ada.selection == {*thirty} - {"run-03", "run-05"}
    assert any(one.startswith("28 selected, as of ") for one in ada.texts)


def test_what_the_filter_hides_is_listed_and_dropped_or_kept(
    ada: Visitor, host: HostWriter, thirty: list[str]
) -> None:
    ada.at(page_size="10").tick("run-00", "run-01", "run-02").at(kind="failed")
    assert "3 selected" in ada.texts
    ada.press("list_hidden")
    assert "2 selected runs are not in this list." in ada.texts
    (listed,) = ada.tables("Run", "Status", "Started")
    assert list(listed["ID"]) == ["run-01", "run-02"]
    ada.press("keep_hidden")
    assert ada.selection == {"run-00", "run-01", "run-02"}
    assert not ada.has_button("drop_hidden")
    ada.press("list_hidden").press("drop_hidden")
    assert ada.selection == {"run-00"}
    assert not ada.has_button("list_hidden")
    assert ada.app.button(key="delete_selected").label == "Delete 1"


def test_a_selected_run_that_is_gone_is_counted_and_said_to_be(
    ada: Visitor, host: HostWriter, thirty: list[str]
) -> None:
    ada.at(page_size="10").tick("run-00", "run-01")
    host.execute("DELETE FROM run_metadata WHERE thread_id = 'run-01'")
    ada.press("refresh")
    assert ada.app.button(key="list_hidden").label == "1 not in this list"
    ada.press("list_hidden")
    assert "1 selected run is not in this list. 1 run of them is gone." in ada.texts


def test_a_selection_costs_one_question_for_each_filter_and_none_for_a_tick(
    ada: Visitor, manager: RunManager, thirty: list[str]
) -> None:
    ada.at(page_size="10").press("select_page").press("select_all").at(kind="failed")
    assert ada.has_button("list_hidden")
    with recorded(manager) as statements, ada.only("list"):
        ada.tick("run-00", to=False)
    assert statements == []
    assert ada.app.button(key="list_hidden").label == "20 not in this list"


@pytest.fixture
def many(host: HostWriter, open_manager: OpenManager) -> Visitor:
    """The admin of a host with more runs than are selected at once, and counted for a page."""
    fill(host, 10_050)
    manager = open_manager(limits=Limits(exact_to=10_000, count_seconds=30))
    session.provide(manager)
    return Visitor(manager).signed_in_as("ada")


def test_more_than_ten_thousand_are_selected_as_their_filter(many: Visitor) -> None:
    ada = many.at(page_size="10").press("select_page").press("select_all")
    assert ada.selection == set()
    assert ada.grid["select"].all()
    assert any(
        re.fullmatch(r"(about )?10,\d\d\d\+? selected, as of \d\d:\d\d:\d\d", one)
        for one in ada.texts
    ), ada.texts
    ada.at(page="last", page_size="10")
    assert ada.grid["select"].all()
    assert not ada.has_button("select_page")
    assert not ada.has_button("select_all")


def test_of_a_whole_filter_some_are_unticked_and_what_comes_later_is_not_ticked(
    many: Visitor, host: HostWriter
) -> None:
    ada = many.at(page_size="10").press("select_page").press("select_all")
    kept, back = ada.rows[:2]
    ada.tick(kept, back, to=False).tick(back)
    assert list(ada.held(selection._Selection).excepted) == [kept]
    host.add_run("later", created_at=datetime.now(UTC) + timedelta(seconds=1))
    ada.press("refresh")
    ticked = dict(zip(ada.rows, ada.grid["select"], strict=True))
    assert {one for one, is_ticked in ticked.items() if not is_ticked} == {"later", kept}
    ada.tick("later")
    assert not dict(zip(ada.rows, ada.grid["select"], strict=True))["later"]
    assert list(ada.held(selection._Selection).excepted) == [kept]


def test_a_whole_filter_stays_selected_under_another_which_shows_its_runs_ticked(
    many: Visitor, host: HostWriter
) -> None:
    stranger = host.add_run(status="failed", name="Order of another filter")
    ada = many.at(page_size="10", kind="other").press("select_page").press("select_all")
    ada.at(page_size="10", kind="failed")
    assert ada.rows == [stranger]
    assert not ada.grid["select"].any()
    assert any("of another filter" in one for one in ada.texts)
    ada.at(page_size="10")
    ticked = dict(zip(ada.rows, ada.grid["select"], strict=True))
    assert all(is_ticked for one, is_ticked in ticked.items() if one != stranger)
    ada.press("clear_selection")
    assert not ada.grid["select"].any()


def test_a_whole_filter_is_planned_as_such(many: Visitor, host: HostWriter) -> None:
    ada = many.at(page_size="10").press("select_page").press("select_all")
    ada.tick(ada.rows[0], to=False).press("delete_selected")
    assert ada.app.button(key="confirm_deletion").label == "Delete 10,049 runs"
    assert ada.app.button(key="confirm_deletion").disabled
    assert any(one.startswith("Runs: every run in the database") for one in ada.texts)
    ada.app.text_input(key="typed_count").set_value("10,049")
    kept = ada.rows[0]
    ada.look().press("confirm_deletion")
    assert not any("selected" in one for one in ada.texts)
    ada.finish_deletion(90)
    assert host.execute("SELECT thread_id FROM run_metadata") == [(kept,)]


def test_one_selected_run_is_opened_and_no_other_number(ada: Visitor, thirty: list[str]) -> None:
    assert ada.at().tick("run-03").has_button("open_selected")
    assert not ada.tick("run-04").has_button("open_selected")
    assert not ada.press("clear_selection").has_button("open_selected")


def test_a_sort_keeps_the_selection_where_its_runs_are_now(ada: Visitor, thirty: list[str]) -> None:
    ada.at(page_size="10").tick("run-01").app.menu_button(key="sort").click("started")
    ada.look()
    assert ada.rows == thirty[:-11:-1]
    assert not ada.grid["select"].any()
    assert {"1 selected", "1 on other pages"} <= set(ada.texts)


def test_what_is_ticked_after_all_was_taken_away_was_not_frozen_then(
    ada: Visitor, thirty: list[str]
) -> None:
    ada.at(page_size="20").press("select_page").press("select_all")
    assert any("30 selected, as of" in one for one in ada.texts)
    ada.tick(*ada.rows, to=False)
    ada.app.query_params = {"page_size": "20", "page": "2"}
    ada.look().tick(*ada.rows, to=False)
    assert not ada.selection
    ada.tick(ada.rows[0])
    assert "1 selected" in ada.texts
