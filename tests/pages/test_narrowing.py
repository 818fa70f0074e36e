"""The runs page: every filter is a widget, a chip and a part of the address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pages.parts import session
from tests.hosts import SHAPES
from tests.pages.conftest import Visitor

if TYPE_CHECKING:
    from runmanager.service import RunManager
    from tests.hosts import HostWriter

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
ALL_WORDS: dict[str, str | list[str]] = {
    "search": "order",
    "username": "kate",
    "model": "m-1",
    "kind": ["failed", "paused"],
    "status": ["failed", "timed out"],
    "since": "2025-03-01T00:00:00Z",
    "until": "2025-03-02T06:30:00Z",
    "error": "timeout",
    "longer_than": "30",
}


@pytest.fixture
def hit(host: HostWriter) -> str:
    """The only run that every filter of ALL_WORDS finds, and others that some find."""
    run = {
        "name": "Order 7",
        "status": "failed",
        "created_at": NOON,
        "completed_at": NOON + timedelta(minutes=1),
        "user": "kate",
        "workspace": "Ops",
        "llm_model": "m-1",
        "error_message": "TimeoutError: no answer",
    }
    host.add_run("hit", **run)  # type: ignore[arg-type]  # columns of a run
    others = {"status": "completed", "error_message": None, "user": "tom", "workspace": "Legal"}
    for number, (column, value) in enumerate(others.items()):
        host.add_run(f"other-{number}", **run | {column: value})  # type: ignore[arg-type]  # so
    return "hit"


CHIPS = {
    "search": ("search “order”", "search", None),
    "username": ("user “kate”", "username", None),
    "workspace": ("workspace “Ops”", "workspace", None),
    "model": ("model “m-1”", "model", None),
    "kind-failed": ("failed", "kind", "paused"),
    "kind-paused": ("paused", "kind", "failed"),
    "status-failed": ("status “failed”", "status", "timed out"),
    "status-timed out": ("status “timed out”", "status", "failed"),
    "range": ("1 Mar 2025 00:00 – 2 Mar 2025 06:30", "since", None),  # noqa: RUF001
    "error": ("error “timeout”", "error", None),
    "longer_than": ("longer than 30 s", "longer_than", None),
}


def test_every_thing_that_is_asked_for_is_a_chip_in_its_own_words(
    ada: Visitor, host: HostWriter, hit: str
) -> None:
    ada.at(**ALL_WORDS, workspace=host.workspace("Ops"))
    assert ada.rows == [hit]
    assert {key: label.replace("\\", "") for key, label in ada.chips.items()} == {
        key: label for key, (label, _entry, _rest) in CHIPS.items()
    }
    assert ada.notices == []


@pytest.mark.parametrize("chip", CHIPS)
def test_a_chip_takes_away_what_it_says_and_nothing_else(
    ada: Visitor, host: HostWriter, hit: str, chip: str
) -> None:
    _label, entry, rest = CHIPS[chip]
    query = ALL_WORDS | {"workspace": host.workspace("Ops"), "page_size": "10"}
    ada.at(**query, page="1").press(f"chip-{chip}")
    gone = {entry, "until"} if chip == "range" else {entry}
    left = {key: value for key, value in query.items() if key not in gone}
    assert ada.app.query_params == left | ({} if rest is None else {entry: rest})
    # Of two words of one entry the run has one.
    assert (hit in ada.rows) == (chip not in {"kind-failed", "status-failed"})
    assert set(ada.chips) == set(CHIPS) - {chip}
    assert "form" in ada.drawn


def test_one_end_of_a_time_and_a_relative_one_have_their_own_chips(ada: Visitor, hit: str) -> None:
    ada.at(since="2025-03-01T11:00:00Z")
    assert ada.chips == {"since": r"started since 1 Mar 2025 11\:00"}
    ada.at(since="2025-03-01T11:00:00Z", until="-1h")
    assert ada.chips == {
        "since": r"started since 1 Mar 2025 11\:00",
        "until": "started more than 1 h ago",
    }
    ada.press("chip-since")
    assert ada.app.query_params == {"until": "-1h"}


def test_a_range_within_a_day_names_the_day_once_in_the_viewers_zone(
    ada: Visitor, in_berlin: None
) -> None:
    this_year = datetime.now(UTC).replace(
        month=1, day=15, hour=13, minute=38, second=0, microsecond=0
    )
    ends = (this_year, this_year + timedelta(hours=4))
    since, until = (one.isoformat().replace("+00:00", "Z") for one in ends)
    ada.at(since=since, until=until)
    assert ada.chips == {"range": r"15 Jan 14\:38 – 18\:38"}  # noqa: RUF001


def test_runs_without_a_user_are_a_chip_too(ada: Visitor, host: HostWriter, hit: str) -> None:
    host.add_run("lone", user_id=None, workspace_id=None)
    ada.at(without="user,workspace").press("chip-username")
    assert ada.app.query_params == {"without": "workspace"}
    assert ada.rows == ["lone"]


def test_all_filters_are_cleared_at_once_where_there_are_several(
    ada: Visitor, host: HostWriter, hit: str
) -> None:
    assert not ada.at(search="order").has_button("clear_filters")
    ada.at(**ALL_WORDS, workspace=host.workspace("Ops"), page_size="10").press("clear_filters")
    assert ada.app.query_params == {"page_size": "10"}
    assert ada.chips == {}


def test_kinds_and_the_hosts_own_words_go_into_the_address_one_by_one(
    ada: Visitor, host: HostWriter
) -> None:
    for word in ("failed", "error", "paused", "completed"):
        host.add_run(word, status=word)
    pills = ada.at().widget("button_group", "kind_filter")
    pills.set_value(["failed", "paused"])
    assert set(ada.look().rows) == {"failed", "error", "paused"}
    assert ada.app.query_params == {"kind": ["failed", "paused"]}
    assert "form" not in ada.drawn
    ada.look().widget("multiselect", "status_filter").set_value(["error"])
    assert ada.look().rows == ["error"]
    assert ada.app.query_params == {"kind": ["failed", "paused"], "status": "error"}
    ada.press("chip-status-error").press("chip-kind-paused")
    assert set(ada.rows) == {"failed", "error"}
    assert ada.look().widget("button_group", "kind_filter").value == ["failed"]


def test_the_hosts_own_words_are_offered_where_they_tell_more_than_their_kinds(
    ada: Visitor, host: HostWriter
) -> None:
    for word in ("failed", "running"):
        host.add_run(status=word)
    assert not [one for one in ada.at().app.multiselect if str(one.key).startswith("status_filter")]
    host.add_run(status="Failed")
    words = ada.press("refresh").look().widget("multiselect", "status_filter")
    assert set(words.options) == {"failed · 1", "running · 1", "Failed · 1"}


def test_started_within_stays_relative_in_the_address(ada: Visitor, host: HostWriter) -> None:
    new = host.add_run(created_at=datetime.now(UTC) - timedelta(minutes=20))
    host.add_run(created_at=datetime.now(UTC) - timedelta(hours=3))
    within = ada.at().app.button_group(key="since_filter")
    assert within.options == ["15 min", "1 h", "24 h", "7 d", "30 d", "All"]
    within.set_value(timedelta(hours=1))
    assert ada.look().rows == [new]
    assert ada.app.query_params == {"since": "-1h"}
    assert ada.chips == {"since": "started within 1 h"}
    host.execute("UPDATE run_metadata SET created_at = created_at - interval '1 hour'")
    assert ada.look().press("refresh").rows == []
    assert ada.look().app.button_group(key="since_filter").value == timedelta(hours=1)
    ada.app.button_group(key="since_filter").set_value("all")
    assert len(ada.look().rows) == 2
    assert ada.app.query_params == {}


def test_a_relative_time_is_absolute_for_what_was_selected_by_it(
    ada: Visitor, host: HostWriter
) -> None:
    old = host.add_runs(2, created_at=datetime.now(UTC) - timedelta(minutes=50))
    ada.at(since="-1h").press("select_page")
    # An hour later the same link finds others.
    host.execute("UPDATE run_metadata SET created_at = created_at - interval '1 hour'")
    (new,) = host.add_runs(1, created_at=datetime.now(UTC))
    assert ada.press("refresh").rows == [new]
    assert ada.selection == set(old)
    assert ada.app.button(key="list_hidden").label == "2 not in this list"
    ada.press("delete_selected").press("confirm_deletion").finish_deletion()
    assert all(host.is_gone(run) for run in old)
    assert not host.is_gone(new)
    assert ada.rows == [new]


def test_from_and_to_are_read_by_the_viewers_clock(
    ada: Visitor, host: HostWriter, in_berlin: None
) -> None:
    runs = [host.add_run(created_at=NOON + timedelta(hours=hour)) for hour in (-1, 0, 1)]
    ada.at()
    ada.app.datetime_input(key="from_time").set_value(datetime(2025, 3, 1, 13))  # noqa: DTZ001
    ada.app.datetime_input(key="to_time").set_value(datetime(2025, 3, 1, 14))  # noqa: DTZ001
    ada.press("show_time")
    assert ada.rows == [runs[1]]
    assert ada.app.query_params == {
        "since": "2025-03-01T12:00:00Z",
        "until": "2025-03-01T13:00:00Z",
    }
    assert ada.chips == {"range": r"1 Mar 2025 13\:00 – 14\:00"}  # noqa: RUF001
    ada.look()
    assert ada.app.datetime_input(key="from_time").value == datetime(2025, 3, 1, 13)  # noqa: DTZ001
    assert ada.app.button_group(key="since_filter").value is None


def test_a_time_that_ends_before_it_begins_is_said_and_changes_nothing(
    ada: Visitor, hit: str
) -> None:
    ada.at()
    rows = ada.rows
    ada.app.datetime_input(key="from_time").set_value(datetime(2025, 3, 2))  # noqa: DTZ001
    ada.app.datetime_input(key="to_time").set_value(datetime(2025, 3, 1))  # noqa: DTZ001
    ada.press("show_time")
    assert "“To” must come after “From”." in ada.texts
    assert (ada.rows, ada.app.query_params) == (rows, {})


@pytest.mark.parametrize(
    ("typed", "query"), [("5 min", "5m"), ("90", "90"), ("2h", "2h"), ("1.5h", "90m")]
)
def test_a_length_of_time_is_chosen_or_typed(
    ada: Visitor, host: HostWriter, typed: str, query: str
) -> None:
    long = host.add_run(created_at=NOON, completed_at=NOON + timedelta(days=1))
    host.add_run(created_at=NOON, completed_at=NOON + timedelta(seconds=1))
    assert ada.at().type_new("longer_than_filter", typed).rows == [long]
    assert ada.app.query_params == {"longer_than": query}


def test_what_is_no_length_of_time_is_said_and_changes_nothing(
    ada: Visitor, host: HostWriter
) -> None:
    long = host.add_run(created_at=NOON, completed_at=NOON + timedelta(hours=2))
    host.add_run(created_at=NOON, completed_at=NOON + timedelta(seconds=1))
    said = "That is no length of time. Such as 90, 5m, 2h or 3d is."
    ada.at(longer_than="1h").type_new("longer_than_filter", "two hours")
    assert (ada.rows, ada.app.query_params) == ([long], {"longer_than": "1h"})
    assert said in ada.texts
    assert said not in ada.type_new("longer_than_filter", "90m").texts
    assert ada.app.query_params == {"longer_than": "90m"}


def test_a_run_that_still_runs_has_taken_as_long_as_it_runs(ada: Visitor, host: HostWriter) -> None:
    run = host.add_run(status="running", created_at=datetime.now(UTC) - timedelta(hours=2))
    host.add_run(status="failed", created_at=datetime.now(UTC) - timedelta(hours=2))
    ada.at(longer_than="1h")
    assert ada.rows == [run]
    assert ada.grid.iloc[0]["took"].startswith("2 h")


def test_a_part_of_an_error_is_typed(ada: Visitor, hit: str) -> None:
    ada.at().app.text_input(key="error_filter").set_value("timeouterror")
    assert hit in ada.look().rows
    assert len(ada.rows) == 4
    assert ada.app.query_params == {"error": "timeouterror"}


@pytest.fixture
def bare(host: HostWriter, open_manager: object, manager: RunManager) -> Visitor:
    """The admin of a host that keeps neither errors nor ends nor models."""
    session.provide(manager)
    return Visitor(manager).signed_in_as("ada")


MINIMAL = pytest.mark.parametrize("shape", [SHAPES[3].name], indirect=True)


@MINIMAL
def test_what_the_host_does_not_keep_has_no_widget_and_no_column(
    bare: Visitor, host: HostWriter
) -> None:
    host.add_run("r1")
    bare.at()
    assert list(bare.grid.columns) == [
        *("select", "status", "id", "name", "tab", "age", "started", "user", "workspace")
    ]
    keys = {str(getattr(one, "key", None)) for one in bare.app}
    assert not keys & {"error_filter", "longer_than_filter", "model_filter"}
    assert {"search_filter", "since_filter"} <= keys
    assert bare.widget("button_group", "kind_filter")
    assert "Took" not in bare.app.multiselect(key="columns_shown").options
    assert not any("ongest" in one for one in bare.app.menu_button(key="sort").options)


@MINIMAL
@pytest.mark.parametrize(
    ("query", "notice"),
    [
        ({"error": "x"}, "Runs have no error here: the address is read without it."),
        ({"model": "m"}, "Runs have no model here: the address is read without it."),
        ({"longer_than": "5m"}, "Runs have no known end here: the address is read without it."),
        (
            {"sort": "-took"},
            "The runs of this host cannot be sorted by duration. Shown newest first.",
        ),
    ],
)
def test_an_address_that_asks_for_what_the_host_does_not_keep_says_so(
    bare: Visitor, host: HostWriter, query: dict[str, str], notice: str
) -> None:
    host.add_run("r1")
    assert bare.at(**query).rows == ["r1"]
    assert bare.notices == [notice]
    assert bare.chips == {}


@pytest.mark.parametrize(
    ("query", "notice"),
    [
        ({"kind": "odd"}, "“kind” in the address: It must be one of these: running, completed"),
        ({"since": "yesterday"}, "“since” in the address: It must be a time in ISO 8601"),
        ({"since": "2025-03-01T00:00:00"}, "“since” in the address: It must be a time in ISO 8601"),
        ({"since": "-1h", "until": "-2h"}, "“until” in the address: It must come after “since”."),
        ({"longer_than": "x"}, "“longer_than” in the address: It must be a number of seconds"),
        ({"sort": "age"}, "There is no such order as the address asks for: newest first."),
    ],
)
def test_what_cannot_be_read_in_the_address_is_left_out_and_said(
    ada: Visitor, hit: str, query: dict[str, str], notice: str
) -> None:
    ada.at(**query)
    assert len(ada.rows) == 5
    assert len(ada.notices) == 1
    assert ada.notices[0].startswith(notice)
    assert ada.chips == {}
