"""The runs page: statuses with numbers, runs over time, texts in errors; all after the list."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df

from pages.parts import later, session
from runmanager.filters import KINDS
from runmanager.queries.triage.limits import SampleBudget, TriageLimits
from tests.pages.asked import as_soon_as_asked_later, in_order, recorded_later
from tests.pages.conftest import Visitor
from tests.roles import READER

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.roles import Roles

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
WORDS = ("failed", "error", "completed", "running", "odd")
# All are too many to be counted, and nothing is tried.
NEWEST = TriageLimits(
    counted=0,
    bucketed=0,
    totalled=0,
    few=0,
    words=0,
    looked_through=3,
    looked_at=0,
    try_seconds=0,
    sample=SampleBudget(enough=1_000_000),
)
SAMPLED = replace(NEWEST, sample=SampleBudget(first=2_000, most=20_000, seconds=60))


@pytest.fixture
def ten(host: HostWriter) -> list[str]:
    """Ten runs an hour apart, the newest first, two of each word."""
    runs = [f"run-{number}" for number in range(10)]
    for number, run in enumerate(runs):
        host.add_run(
            run,
            name=f"Order {number}",
            status=WORDS[number % 5],
            created_at=NOON - timedelta(hours=number),
            user="kate" if number < 5 else "tom",
            error_message="TimeoutError: no answer" if number < 3 else None,
        )
    host.execute("ANALYZE")
    return runs


def with_limits(open_manager: OpenManager, limits: TriageLimits) -> Visitor:
    """The admin where runs are counted up to these limits."""
    manager = open_manager(triage_limits=limits)
    session.provide(manager)
    return Visitor(manager).signed_in_as("ada")


def pills(visitor: Visitor) -> list[str]:
    return list(visitor.widget("button_group", "kind_filter").options)


def bars(visitor: Visitor) -> pd.DataFrame:
    """The rectangles of the chart, as they are sent."""
    assert visitor.chart is not None
    return convert_arrow_bytes_to_pandas_df(visitor.chart.data.data)


def alternative(visitor: Visitor) -> str:
    assert visitor.chart is not None
    return str(visitor.chart.alt)


# Statuses with numbers


def test_a_number_beside_a_status_is_what_choosing_it_shows(ada: Visitor, ten: list[str]) -> None:
    every = ["● running 2", "✓ completed 2", "✕ failed 4", "‖ paused 0", "○ other 2"]
    assert pills(ada.at()) == every
    ada.widget("button_group", "kind_filter").set_value(["failed"])
    assert len(ada.look().rows) == 4
    # Beside the filter, not within it: another can be chosen by what it would show.
    assert pills(ada.look()) == every
    assert pills(ada.at(username="kate")) == [
        *("● running 1", "✓ completed 1", "✕ failed 2", "‖ paused 0", "○ other 1")
    ]
    words = ada.widget("multiselect", "status_filter")
    assert set(words.options) == {f"{word} · 1" for word in WORDS}


def test_a_word_that_no_run_has_any_more_can_still_be_taken_away(
    ada: Visitor, ten: list[str]
) -> None:
    ada.at(status=["gone", "failed"])
    assert len(ada.rows) == 2
    assert "gone · 0" in ada.widget("multiselect", "status_filter").options
    assert set(ada.chips) == {"status-gone", "status-failed"}
    ada.press("chip-status-failed")
    assert "**No runs match**" in [one.value for one in ada.app.markdown]


def test_numbers_of_the_newest_runs_are_said_to_be_at_least(
    host: HostWriter, open_manager: OpenManager, ten: list[str]
) -> None:
    ada = with_limits(open_manager, NEWEST).at()
    assert pills(ada) == [
        "● running 0+",
        "✓ completed 1+",
        "✕ failed 2+",
        "‖ paused 0+",
        "○ other 0+",
    ]
    assert "At least: of the newest runs" in ada.texts
    assert alternative(ada).endswith("at least: of the newest runs")
    assert set(bars(ada)["all"].str.endswith(" · at least: of the newest runs")) == {True}


def test_numbers_of_a_sample_are_said_to_be_sampled(
    host: HostWriter, open_manager: OpenManager
) -> None:
    host.execute(
        "INSERT INTO run_metadata (thread_id, created_at, status)"
        " SELECT n, timestamptz '2025-03-01' + n * interval '1 minute',"
        " CASE WHEN n % 4 = 0 THEN 'failed' ELSE 'completed' END FROM generate_series(1, 4000) n"
    )
    host.execute("VACUUM ANALYZE run_metadata")
    ada = with_limits(open_manager, SAMPLED).at()
    assert "About: sampled" in ada.texts
    assert all("~" in one for one in pills(ada))
    assert "✓ completed ~3,000" in pills(ada)
    assert alternative(ada).endswith(" · sampled")


# Runs over time


def test_every_run_with_a_time_stands_in_a_bar_of_its_kind(
    ada: Visitor, host: HostWriter, ten: list[str]
) -> None:
    host.add_run("timeless", created_at=None)
    host.add_run("beside another", status="paused", created_at=NOON)
    found = bars(ada.at())
    heights = (found["above"] - found["below"]).groupby(found["kind"]).sum().to_dict()
    assert heights == {"failed": 4, "completed": 2, "running": 2, "paused": 1, "other": 2}
    # They stand on each other, from the ground.
    for _start, bar in found.groupby("start"):
        assert bar["below"].iloc[0] == 0
        assert list(bar["below"].iloc[1:]) == list(bar["above"].iloc[:-1])
    assert (
        alternative(ada)
        == "Runs over time by status: 2 running, 2 completed, 4 failed, 1 paused, 2 other"
    )
    assert set(found["kind"]) <= set(KINDS)


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def test_a_bar_that_is_clicked_becomes_the_time_that_is_asked_for(
    ada: Visitor, ten: list[str]
) -> None:
    first = bars(ada.at(page_size="5", page="2")).sort_values("start").iloc[0]
    bar: dict[str, Any] = {"start": int(first["start"]), "end": int(first["end"])}
    before = ada.chart.id
    ada.choose_on_chart(bar=[bar])
    assert ada.rows == ["run-9"]
    assert set(ada.chips) == {"range"}
    since, until = (
        datetime.fromisoformat(str(ada.app.query_params[key])) for key in ("since", "until")
    )
    assert [milliseconds(one) for one in (since, until)] == [bar["start"], bar["end"]]
    assert ada.app.query_params["page_size"] == "5"
    assert "page" not in ada.app.query_params
    # Another chart, in which nothing is selected.
    assert ada.chart.id != before
    assert bars(ada)["start"].min() >= bar["start"]


def test_a_bar_that_a_filter_cuts_is_narrowed_to_the_runs_that_it_counts(
    ada: Visitor, host: HostWriter
) -> None:
    # The chart counts time in milliseconds.
    for microseconds in (200, 400):
        host.add_run(f"run-{microseconds}", created_at=NOON + timedelta(microseconds=microseconds))
    since = (NOON + timedelta(microseconds=300)).isoformat().replace("+00:00", "Z")
    (bar,) = bars(ada.at(since=since)).to_dict("records")
    ada.choose_on_chart(bar=[{"start": bar["start"], "end": bar["end"]}])
    assert ada.app.query_params["since"] == since
    assert ada.rows == ["run-400"]


@pytest.mark.parametrize("is_backward", [False, True])
def test_a_stretch_that_is_drawn_over_becomes_the_time_that_is_asked_for(
    ada: Visitor, ten: list[str], is_backward: bool
) -> None:
    ends = [milliseconds(NOON - timedelta(hours=hours)) for hours in (5, 2)]
    ada.at().choose_on_chart(brush={"start": ends[::-1] if is_backward else ends})
    assert ada.rows == ["run-3", "run-4", "run-5"]
    assert ada.app.query_params == {
        "since": "2025-03-01T07:00:00Z",
        "until": "2025-03-01T10:00:00Z",
    }


def test_a_stretch_means_whole_buckets_and_one_at_least(ada: Visitor, ten: list[str]) -> None:
    found = bars(ada.at()).sort_values("start")
    first, second = found["start"].iloc[:2]
    end = int(found["end"].iloc[0])
    nearly = [int(first) + 1_000, int(second) + end - int(first) + 1_000]
    ada.choose_on_chart(brush={"start": nearly})
    assert ada.rows == ["run-8", "run-9"]
    ada.at().choose_on_chart(brush={"start": [int(first) + 1_000, int(first) + 2_000]})
    assert ada.rows == ["run-9"]
    ends = [datetime.fromisoformat(str(ada.app.query_params[key])) for key in ("since", "until")]
    assert [milliseconds(one) for one in ends] == [first, end]


@pytest.mark.parametrize("chosen", [{}, {"brush": {"start": []}}, {"brush": {}}])
def test_a_selection_of_nothing_changes_nothing(
    ada: Visitor, ten: list[str], chosen: dict[str, Any]
) -> None:
    ada.at().choose_on_chart(**chosen)
    assert ada.rows == ten
    assert ada.app.query_params == {}


def test_runs_without_a_time_have_no_chart_and_it_says_so(ada: Visitor, host: HostWriter) -> None:
    host.add_run(created_at=None)
    assert ada.at().chart is None
    assert "No times to show." in ada.texts


def test_a_chart_that_is_folded_away_stays_so_for_its_admin_and_asks_nothing(
    ada: Visitor, host: HostWriter, visitor: Callable[..., Visitor], ten: list[str]
) -> None:
    host.add_user("grace", is_admin=True)
    assert ada.at().app.button(key="fold_histogram").label == "Hide chart"
    assert ada.press("fold_histogram").chart is None
    assert ada.app.button(key="fold_histogram").label == "Show chart"
    again = visitor().signed_in_as("ada").at()
    assert again.chart is None
    assert set(again.held(later._Asked).questions) == {"kinds"}
    assert visitor().signed_in_as("grace").at().chart is not None
    assert ada.press("fold_histogram").chart is not None
    assert visitor().signed_in_as("ada").at().chart is not None


# Texts in errors


def test_a_text_that_stands_in_errors_is_offered_there(ada: Visitor, ten: list[str]) -> None:
    assert ada.at(search="timeouterror", username="kate").rows == []
    offer = ada.app.button(key="show_in_errors")
    assert offer.label == "3 runs have this in their error · show them"
    ada.press("show_in_errors")
    assert ada.rows == ten[:3]
    assert ada.app.query_params == {"error": "timeouterror", "username": "kate"}
    assert not ada.has_button("show_in_errors")


def test_one_run_has_it_and_none_is_not_offered(
    ada: Visitor, host: HostWriter, ten: list[str]
) -> None:
    host.add_run(error_message="*KeyError* :streamlit:")
    ada.at(search="*KeyError* :streamlit:")
    label = ada.app.button(key="show_in_errors").label
    assert label == "1 run has this in their error · show them"
    for search in ("Order", "ke", ""):
        assert not ada.at(search=search).has_button("show_in_errors")


def test_errors_of_the_newest_runs_alone_are_at_least_so_many(
    host: HostWriter, open_manager: OpenManager, ten: list[str]
) -> None:
    ada = with_limits(open_manager, replace(NEWEST, looked_through=2)).at(search="TimeoutError")
    label = ada.app.button(key="show_in_errors").label
    assert label == "2+ runs have this in their error · show them"


# After the list


def test_the_list_is_read_before_anything_else_is_asked(
    ada: Visitor, manager: RunManager, ten: list[str]
) -> None:
    with in_order(manager) as first:
        ada.at(search="order")
    with in_order(manager) as then:
        ada.app.text_input(key="search_filter").set_value("order 1")
        ada.look()
    for order in (first, then):
        assert any(order)
        assert order == sorted(order)


def test_what_is_known_already_is_not_asked_again(
    ada: Visitor, manager: RunManager, ten: list[str]
) -> None:
    ada.at(search="order")
    with recorded_later(manager) as statements:
        ada.tick("run-1")
        ada.app.menu_button(key="sort").click("name")
        ada.look()
        ada.at(search="order", page_size="5", page="2")
    assert statements == []
    with recorded_later(manager) as statements:
        ada.press("refresh")
    assert statements


def test_numbers_that_take_too_long_leave_the_list_and_say_so(
    host: HostWriter, open_manager: OpenManager, ten: list[str]
) -> None:
    manager = open_manager(statement_timeout=0.5, lock_timeout=0.2)
    session.provide(manager)
    ada = Visitor(manager).signed_in_as("ada")

    def lock() -> None:
        host.execute("BEGIN; LOCK TABLE run_metadata IN ACCESS EXCLUSIVE MODE")

    with as_soon_as_asked_later(manager, lock):
        ada.at(search="order")
    host.execute("ROLLBACK")
    assert_only_the_list(ada, ten)
    # What was not answered is asked again.
    assert ada.look().chart is not None
    assert pills(ada)[2] == "✕ failed 4"


def test_numbers_that_may_not_be_read_any_more_leave_the_list_and_say_so(
    host: HostWriter, open_manager: OpenManager, roles: Roles, ten: list[str]
) -> None:
    role = roles.of_the_page(READER)
    manager = open_manager(roles.url(role))
    session.provide(manager)
    ada = Visitor(manager).signed_in_as("ada")
    with as_soon_as_asked_later(manager, lambda: roles.revoke(role, "SELECT ON run_metadata")):
        ada.at(search="order")
    assert_only_the_list(ada, ten)


def test_who_is_demoted_after_the_list_was_read_is_told_no_numbers(
    ada: Visitor, host: HostWriter, manager: RunManager, ten: list[str]
) -> None:
    def demote() -> None:
        host.execute("UPDATE users SET is_admin = false WHERE username = 'ada'")

    with as_soon_as_asked_later(manager, demote):
        ada.at(search="order")
    assert_only_the_list(ada, ten)
    assert any("Only active administrators can use Run Manager" in one for one in ada.texts)
    assert ada.look().rows == []


def assert_only_the_list(ada: Visitor, runs: list[str]) -> None:
    """The list stands as ever; what is missing says so in its place."""
    assert ada.rows == runs
    assert "10 runs" in ada.texts
    assert not ada.has_button("try_again")
    assert ada.app.menu_button(key="sort").label == "Newest first"
    assert ada.chart is None
    assert pills(ada) == ["● running", "✓ completed", "✕ failed", "‖ paused", "○ other"]
    for beginning in ("Could not count them. ", "Could not look at the times. "):
        (sentence,) = (one for one in ada.texts if one.startswith(beginning))
        assert len(sentence) > len(beginning)
    assert not ada.has_button("show_in_errors")
