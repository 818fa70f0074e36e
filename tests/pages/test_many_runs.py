"""The runs page with more runs than are counted: totals, pages, searches, and what each costs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pages.parts import run_total, session
from pages.parts.filter_form import WIDGETS, ChoiceBox
from runmanager.queries.listing.limits import Limits, SearchBudget
from runmanager.records import CountState
from tests.operations import until
from tests.pages.asked import recorded_here
from tests.pages.conftest import Visitor
from tests.statements import recorded

if TYPE_CHECKING:
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
# Three runs are all that is counted, and a search stops after ten.
FEW = Limits(exact_to=3, count_seconds=5, search=SearchBudget(first=10, growth=1, seconds=0))


@pytest.fixture
def forty(host: HostWriter) -> list[str]:
    """Forty runs a minute apart, the newest first; only the last is a rare one."""
    runs = [f"run-{number:02}" for number in range(40)]
    for number, run in enumerate(runs):
        host.add_run(
            run,
            name="Rare" if number == 39 else f"Order {number}",
            created_at=NOON - timedelta(minutes=number),
            user="kate" if number % 2 else "tom",
            workspace="Ops",
        )
    host.execute("ANALYZE")
    return runs


@pytest.fixture
def impatient(open_manager: OpenManager) -> RunManager:
    """The service as it is with far more runs than these."""
    manager = open_manager(limits=FEW)
    session.provide(manager)
    return manager


@pytest.fixture
def ada(impatient: RunManager) -> Visitor:
    """The host's admin, signed in."""
    return Visitor(impatient).signed_in_as("ada")


def test_a_likely_total_is_shown_at_once_and_pages_go_step_by_step(
    ada: Visitor, forty: list[str]
) -> None:
    ada.at(page_size="10")
    assert ada.rows == forty[:10]
    assert {"about 40 runs", "1–10 of about 40"} <= set(ada.texts)  # noqa: RUF001
    assert not list(ada.app.pagination)
    assert ada.app.button(key="previous_page").disabled
    assert ada.press("next_page").rows == forty[10:20]
    assert ada.app.query_params == {"page": "2", "page_size": "10"}
    assert ada.press("last_page").rows == forty[30:]
    assert ada.app.query_params == {"page": "last", "page_size": "10"}
    assert "the last 10 of about 40" in ada.texts
    assert ada.app.button(key="next_page").disabled
    assert ada.press("previous_page").rows == forty[20:30]
    assert ada.app.query_params == {"page": "last-1", "page_size": "10"}
    assert "11–20 from the end of about 40" in ada.texts  # noqa: RUF001
    assert ada.press("first_page").rows == forty[:10]


def test_the_address_names_a_page_from_the_end(ada: Visitor, forty: list[str]) -> None:
    assert ada.at(page="last-2", page_size="10").rows == forty[10:20]
    assert ada.notices == []
    assert ada.at(page="99", page_size="10").rows == forty[30:]
    assert ada.notices == ["There is no page 99: showing the last."]


def test_two_conditions_at_once_have_at_least_what_was_counted(
    ada: Visitor, host: HostWriter, forty: list[str]
) -> None:
    ada.at(username="kate", workspace=host.workspace("Ops"), page_size="4")
    assert ada.rows == forty[1:9:2]
    assert {"5+ runs", "1–4 of 5+"} <= set(ada.texts)  # noqa: RUF001


def test_all_runs_are_counted_on_request_and_then_have_numbered_pages(
    ada: Visitor, host: HostWriter, forty: list[str]
) -> None:
    ada.at(page_size="10").press("count_exactly")
    until(lambda: not ada.look().is_counting)
    assert "40 runs" in ada.look().texts
    ada.app.pagination(key="page_number").select(4)
    assert ada.look().rows == forty[30:]
    assert "31–40 of 40" in ada.texts  # noqa: RUF001
    ada.app.pagination(key="page_number").select(2)
    assert ada.look().rows == forty[10:20]
    ada.look().press("refresh")
    assert "about 40 runs" in ada.texts


def test_a_count_is_the_total_of_the_list_it_was_started_for_only(
    ada: Visitor, host: HostWriter, forty: list[str]
) -> None:
    ada.at(page_size="4").app.button(key="count_exactly").click()
    # Another list before the count is over, which is not counted to its end either.
    ada.app.query_params = {
        "page_size": "4",
        "username": "kate",
        "workspace": host.workspace("Ops"),
    }
    until(lambda: not ada.look().is_counting)
    assert "5+ runs" in ada.look().texts
    # Back in the list that was counted: that total is from before it was read anew.
    ada.app.query_params = {"page_size": "4"}
    assert "about 40 runs" in ada.look().texts


def test_a_count_that_fails_says_why_as_plain_text(
    ada: Visitor, host: HostWriter, forty: list[str], impatient: RunManager
) -> None:
    ada.at(page_size="10")
    host.execute("ALTER TABLE run_metadata RENAME TO elsewhere")
    ada.press("count_exactly")
    count_id = ada.held(run_total._Count).count_id
    assert count_id is not None
    until(lambda: impatient.finding.count(host.admin, count_id).state is not CountState.RUNNING)
    host.execute("ALTER TABLE elsewhere RENAME TO run_metadata")
    until(lambda: not ada.look().is_counting)
    missing = "Not counted. The database has no table “run_metadata” on its search_path"
    assert any(one.startswith(missing) for one in ada.look().texts)
    ada.press("count_exactly")
    until(lambda: not ada.look().is_counting)
    assert "40 runs" in ada.look().texts
    assert not any("Not counted" in one for one in ada.texts)


def test_a_rare_word_is_searched_for_a_part_of_the_way_then_on_request(
    ada: Visitor, forty: list[str]
) -> None:
    ada.at(search="rare")
    assert "0 runs so far" in ada.texts
    assert "Searched back to 1 Mar 2025, 11:51:00 UTC" in ada.texts
    assert "**Nothing found yet**" in [one.value for one in ada.app.markdown]
    assert not any(" of " in one for one in ada.texts)
    assert ada.app.button(key="delete_selected").disabled
    assert ada.press("search_on").rows == ["run-39"]
    assert {"1 run", "1 of 1"} <= set(ada.texts)
    assert not ada.has_button("search_on")


def test_a_whole_thread_id_is_found_at_once(ada: Visitor, forty: list[str]) -> None:
    ada.at(search="run-39")
    assert ada.rows == ["run-39"]
    assert {"1 run", "Has exactly this id · not all names searched"} <= set(ada.texts)
    assert not any("so far" in one or "Searched" in one for one in ada.texts)
    assert ada.press("search_on").rows == ["run-39"]
    assert {"1 run", "1 of 1"} <= set(ada.texts)
    assert not any("exactly" in one for one in ada.texts)
    assert not ada.has_button("search_on")


def test_others_that_have_a_whole_thread_id_in_their_name_are_found_by_searching_on(
    ada: Visitor, host: HostWriter, forty: list[str]
) -> None:
    host.add_run("run-40", name="Again: run-39", created_at=NOON - timedelta(minutes=40))
    assert ada.at(search="run-39").rows == ["run-39"]
    assert ada.press("search_on").rows == ["run-39", "run-40"]
    assert {"2 runs", "1–2 of 2"} <= set(ada.texts)  # noqa: RUF001


def test_a_common_word_fills_its_page_at_once(ada: Visitor, forty: list[str]) -> None:
    ada.at(search="order", page_size="5")
    assert ada.rows == forty[:5]
    assert ada.press("next_page").rows == forty[5:10]
    assert ada.press("previous_page").rows == forty[:5]


@pytest.fixture
def kept(ada: Visitor, forty: list[str]) -> Visitor:
    """The admin at the first page."""
    return ada.at(page_size="10")


# Each transaction begins with its limits and asks whether this is still an admin.
OPENING = 2


def test_a_tick_and_a_selection_send_no_statement(kept: Visitor, impatient: RunManager) -> None:
    with recorded(impatient) as statements:
        with kept.only("list"):
            kept.tick("run-03")
        with kept.only("list"):
            kept.press("select_page")
        with kept.only("list"):
            kept.press("clear_selection")
    assert statements == []


def test_turning_a_page_reads_its_rows_and_counts_nothing(
    kept: Visitor, impatient: RunManager, forty: list[str]
) -> None:
    for step, first in (("next_page", 10), ("next_page", 20), ("previous_page", 10)):
        with recorded(impatient) as statements, kept.only("list"):
            kept.press(step)
        assert kept.rows == forty[first : first + 10]
        assert len(statements) == OPENING + 1
        kept.look()


def test_a_search_draws_what_depends_on_it_but_not_the_form_and_reads_no_choices(
    kept: Visitor, impatient: RunManager, forty: list[str]
) -> None:
    with recorded_here(impatient) as statements, kept.only("form"):
        kept.app.text_input(key="search_filter").set_value("order")
        kept.look()
    assert kept.rows == forty[:10]
    assert kept.drawn == {"list", "head", "histogram", "kinds", "errors"}
    assert not list(kept.app.selectbox)
    # The first slice, and whether it is a whole thread id; the planner's guess, and the count with
    # its time limit.
    assert len(statements) <= OPENING + 3 + len(("SAVEPOINT", "limit", "count", "ROLLBACK"))
    assert not any("workspaces.id = used" in one for one in statements)


def test_another_size_draws_the_list_only(kept: Visitor, impatient: RunManager) -> None:
    with recorded(impatient) as statements, kept.only("form"):
        kept.app.selectbox(key="rows_per_page").select(25)
        kept.look()
    assert len(kept.rows) == 25
    assert kept.drawn == {"list", "head"}
    # What the planner believes, and the rows.
    assert len(statements) == OPENING + 2


def test_a_choice_of_a_user_reads_their_workspaces_and_rows(
    kept: Visitor, impatient: RunManager, forty: list[str]
) -> None:
    user = kept.app.selectbox(key="username_filter")
    user.select_index([one.partition("·")[0] for one in user.options].index("kate"))
    with recorded_here(impatient) as statements, kept.only("form"):
        kept.look()
    assert kept.rows == forty[1:20:2]
    assert sum("set_config" in one for one in statements) <= 4
    assert not any("JOIN LATERAL" in one for one in statements)


def test_a_whole_page_asks_who_it_is_for_once_in_each_transaction(
    kept: Visitor, impatient: RunManager
) -> None:
    with recorded_here(impatient) as statements:
        kept.look()
    # Who this is, all lists of filters, running operations, and the rows with their time limit.
    lists = sum(isinstance(one, ChoiceBox) for one in WIDGETS.values())
    assert sum("datestyle" in str(one) or "set_config" in one for one in statements) <= 5
    assert len(statements) <= 10 + 2 * lists
