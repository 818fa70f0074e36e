"""The runs page: what it lists, what the address says, and what is selected."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from pages.parts import styles
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from runmanager.records import StatusKind
from tests.pages.asked import as_soon_as_asked_later
from tests.pages.labels import markup_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.hosts import HostWriter
    from tests.pages.conftest import Visitor

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def thirty(host: HostWriter) -> list[str]:
    """Thirty runs a minute apart, the newest first, every third one of kate's in Ops."""
    runs = [f"run-{number:02}" for number in range(30)]
    for number, run in enumerate(runs):
        is_kates = number % 3 == 0
        host.add_run(
            run,
            name=f"Order {number}",
            created_at=NOON - timedelta(minutes=number),
            user="kate" if is_kates else "linus",
            workspace="Ops" if is_kates else "Legal",
        )
    return runs


def test_an_empty_database_says_so(ada: Visitor) -> None:
    ada.at()
    assert "**No runs yet**" in [one.value for one in ada.app.markdown]
    assert "0 runs" in ada.texts
    assert ada.app.button(key="delete_selected").disabled
    assert not ada.has_button("select_page")


def test_a_run_is_listed_with_everything_that_is_known(ada: Visitor, host: HostWriter) -> None:
    host.add_run(
        "r1",
        name="Order",
        status="paused",
        created_at=NOON,
        user="kate",
        workspace="Ops",
        completed_at=NOON + timedelta(seconds=90),
        error_message="Timeout\nin line 2",
    )
    row = ada.at().grid.iloc[0].to_dict()
    assert row.pop("started").to_pydatetime() == NOON
    assert row.pop("age") == f"{(datetime.now(UTC) - NOON).days} d"
    assert {key: str(value) for key, value in row.items()} == {
        "select": "False",
        "status": "['‖ paused']",
        "id": "r1",
        "name": "Order",
        "tab": "/run?id=r1",
        "took": "1 min 30 s",
        "error": "Timeout",
        "user": "kate",
        "workspace": "Ops",
    }


def test_a_run_that_says_nothing_is_listed_too(ada: Visitor, host: HostWriter) -> None:
    host.add_run("r1", name=None, status=None, created_at=None)
    row = ada.at().grid.iloc[0]
    assert row["name"] == "r1"
    assert list(row["status"]) == ["○ no status"]
    assert row["age"] == ""
    assert bool(row[["started", "took", "error", "user", "workspace"]].isna().all())


def test_a_user_and_a_workspace_that_are_gone_show_as_their_ids(
    ada: Visitor, host: HostWriter
) -> None:
    host.add_run("r1", user_id="u-gone", workspace_id="w-gone")
    row = ada.at().grid.iloc[0]
    assert (row["user"], row["workspace"]) == ("u-gone", "w-gone")


@pytest.mark.parametrize(
    ("status", "word"),
    [("FAILED", "FAILED"), ("  ", "no status"), ("späť ⏳", "späť ⏳"), ("a\nb", "a b")],
)
def test_any_status_is_shown_in_its_own_word(
    ada: Visitor, host: HostWriter, status: str, word: str
) -> None:
    run = host.add_run(status=status)
    look = styles.LOOKS["failed" if status == "FAILED" else "other"]
    assert list(ada.at().grid.iloc[0]["status"]) == [f"{look.sign} {word}"]
    assert (
        ada.at_run(run).status == f'<span class="run-status" style="--tint: {look.tints[0]}; '
        f'--dark-tint: {look.tints[1]}">{look.sign} {word}</span>'
    )


@pytest.mark.parametrize(
    ("status", "drawn"),
    [
        ("https://x.example", "https://x.example"),
        (":streamlit:", ":streamlit:"),
        ("a\\b", "a\\b"),
        (":red[*x*]", ":red[*x*]"),
        ('"><b>&amp;', "&quot;&gt;&lt;b&gt;&amp;amp;"),
    ],
)
def test_a_status_is_shown_as_it_is_and_not_as_markdown(
    ada: Visitor, host: HostWriter, status: str, drawn: str
) -> None:
    run = host.add_run(status=status)
    assert f">○ {drawn}</span>" in ada.at_run(run).status
    assert status not in " ".join(str(one.value) for one in ada.app.markdown)


@pytest.mark.parametrize("created_at", ["infinity", "-infinity", "20000-01-01", "4000-01-01 BC"])
def test_a_time_that_no_calendar_has_is_listed_and_opened(
    ada: Visitor, host: HostWriter, created_at: str
) -> None:
    run = host.add_run(created_at=created_at)
    assert ada.at().rows == [run]
    ada.at_run(run)
    assert "Order processing" in ada.texts


def test_the_list_is_paged(ada: Visitor, thirty: list[str]) -> None:
    ada.at(page_size="10")
    assert ada.rows == thirty[:10]
    assert {"30 runs", "1–10 of 30"} <= set(ada.texts)  # noqa: RUF001
    ada.app.pagination(key="page_number").select(3)
    assert ada.look().rows == thirty[20:]
    assert ada.app.query_params == {"page": "3", "page_size": "10"}
    assert "21–30 of 30" in ada.texts  # noqa: RUF001


def test_the_address_restores_page_and_filters(ada: Visitor, thirty: list[str]) -> None:
    ada.at(username="kate", search="Order", page_size="10")
    assert ada.rows == thirty[::3]
    assert ada.app.text_input(key="search_filter").value == "Order"
    assert (
        str(ada.app.selectbox(key="username_filter").value) == "Choice(value='kate', label='kate')"
    )
    assert ada.chips == {"search": "search “Order”", "username": "user “kate”"}
    ada.at(page="2", page_size="10")
    assert ada.rows == thirty[10:20]


def test_a_filter_goes_into_the_address_and_back_to_page_1(ada: Visitor, thirty: list[str]) -> None:
    ada.at(page="2", page_size="10")
    ada.app.text_input(key="search_filter").set_value("order 2")
    assert ada.look().rows == [thirty[2], *thirty[20:29]]
    assert ada.app.query_params == {"search": "order 2", "page_size": "10"}
    # Only the list was drawn anew; a whole run has the form as well.
    user = ada.look().app.selectbox(key="username_filter")
    user.select_index([option.partition("·")[0] for option in user.options].index("kate"))
    assert ada.look().rows == [thirty[21], thirty[24], thirty[27]]
    assert ada.app.query_params["username"] == "kate"
    ada.press("clear_filters")
    assert ada.app.query_params == {"page_size": "10"}
    assert ada.rows == thirty[:10]
    assert ada.app.text_input(key="search_filter").value == ""


def test_a_link_to_a_workspace_names_it(ada: Visitor, host: HostWriter, thirty: list[str]) -> None:
    ada.at(workspace=host.workspace("Ops"))
    assert ada.rows == thirty[::3]
    assert ada.chips == {"workspace": "workspace “Ops”"}


def test_runs_of_no_known_user_or_workspace_can_be_found(
    ada: Visitor, host: HostWriter, thirty: list[str]
) -> None:
    host.add_run("lone", user_id="u-gone", workspace_id=None)
    assert ada.at(without="user").rows == ["lone"]
    assert ada.at(without="user,workspace").rows == ["lone"]
    assert set(ada.chips.values()) == {"no known user", "no known workspace"}


def test_two_workspaces_of_one_name_are_told_apart(ada: Visitor, host: HostWriter) -> None:
    for workspace_id in ("w1", "w2"):
        host.execute("INSERT INTO workspaces VALUES (%s, 'Ops')", workspace_id)
        host.add_run(f"of-{workspace_id}", workspace_id=workspace_id)
    ada.at(workspace="w2")
    assert ada.rows == ["of-w2"]
    assert ada.app.selectbox(key="workspace_filter").options[:2] == ["Ops · w1", "Ops · w2"]


def test_every_entry_of_a_list_is_told_apart_and_chosen_for_what_it_is(
    ada: Visitor, host: HostWriter
) -> None:
    """A workspace's id beside another of that name; a user called as the runs without one are."""
    host.execute("INSERT INTO workspaces VALUES ('w2', 'ops')")
    host.add_run("of-ops", workspace_id="ops", user="(no known user)")
    host.add_run("of-w2", workspace_id="w2", user_id=None)
    workspace = ada.look().app.selectbox(key="workspace_filter")
    assert len(set(workspace.options)) == len(workspace.options) == 3
    for index, row, query in ((0, "of-w2", "w2"), (1, "of-ops", "ops")):
        ada.at().app.selectbox(key="workspace_filter").select_index(index)
        assert (ada.look().rows, ada.app.query_params) == ([row], {"workspace": query})
    user = ada.at().app.selectbox(key="username_filter")
    assert len(set(user.options)) == len(user.options) == 2
    user.select_index(0)
    assert (ada.look().rows, ada.app.query_params["username"]) == (["of-ops"], "(no known user)")
    ada.at().app.selectbox(key="username_filter").select_index(1)
    assert (ada.look().rows, ada.app.query_params) == (["of-w2"], {"without": "user"})


@pytest.mark.parametrize(
    ("query", "first_row", "notice"),
    [
        ({"page": "0"}, 0, "“page” in the address must be 1 to 1000000000: showing 1."),
        ({"page": "-3"}, 0, "“page” in the address must be 1 to 1000000000: showing 1."),
        ({"page": "abc"}, 0, "“page” in the address is not a number: showing 1."),
        ({"page": "1.5"}, 0, "“page” in the address is not a number: showing 1."),
        ({"page": "٢"}, 0, "“page” in the address is not a number: showing 1."),
        ({"page": "99999", "page_size": "20"}, 20, "There is no page 99,999: showing the last."),
        ({"page": "9" * 5000, "page_size": "20"}, 20, "showing the last."),
        ({"page_size": "9999"}, 0, "“page_size” in the address must be 1 to 200: showing 200."),
        ({"page_size": "0"}, 0, "“page_size” in the address must be 1 to 200: showing 1."),
        ({"page_size": "x"}, 0, "“page_size” in the address is not a number: showing 50."),
        ({"username": "nobody"}, 0, "No such run has the user in the address: showing all users."),
        ({"username": "\x00"}, 0, "No such run has the user in the address: showing all users."),
        (
            {"workspace": "nowhere"},
            0,
            "No such run has the workspace in the address: showing all workspaces.",
        ),
        ({"without": "everything"}, 0, "“without” knows these words only: user, workspace"),
        ({"without": "user", "username": "kate"}, 0, "“username” exclude each other"),
        ({"without": "user,,%00"}, 0, "No runs match"),
        ({"utm_source": "mail"}, 0, None),
    ],
    ids=lambda value: urlencode(value)[:40] if isinstance(value, dict) else "",
)
def test_a_bad_address_shows_the_nearest_view_and_says_so(
    ada: Visitor, thirty: list[str], query: dict[str, str], first_row: int, notice: str | None
) -> None:
    ada.at(**query)
    if notice == "No runs match":
        assert "**No runs match**" in [one.value for one in ada.app.markdown]
        return
    assert ada.rows[0] == thirty[first_row]
    assert [one for one in ada.notices if notice and notice in one] or not notice
    assert bool(ada.notices) == bool(notice)


def test_a_repeated_parameter_is_read_once(ada: Visitor, thirty: list[str]) -> None:
    ada.app.query_params = {"username": ["linus", "kate"], "page": ["1", "2"]}
    ada.look()
    assert ada.rows


ODD_SEARCHES = [
    "%", "_", "\\", "'", '"', "100%_\\", "'; DROP TABLE users; --", "🦜", "\x00", "a\x00b", "(",
    "[", "\ud800", "x" * 10_000, "x" * 20_000, "<b>", "*", ":red[a]", "$a$", "\u202e", "\r\n",
]  # fmt: skip


@pytest.mark.parametrize("search", ODD_SEARCHES, ids=lambda text: ascii(text)[:20])
def test_an_odd_search_means_itself(ada: Visitor, host: HostWriter, search: str) -> None:
    host.add_run("plain", name="Order processing")
    storable = search.replace("\x00", "").encode(errors="ignore").decode()
    odd = host.add_run("odd", name=f"Before {storable} after")
    ada.at()
    ada.app.text_input(key="search_filter").set_value(search)
    try:
        ada.look()
    except UnicodeEncodeError:
        # Half an emoji cannot be typed: not even the message to the server can carry it.
        return
    if search.strip() == "":
        assert set(ada.rows) == {"plain", "odd"}
    elif "\x00" in search:
        assert "**No runs match**" in [one.value for one in ada.app.markdown]
    else:
        assert ada.rows == [odd]
    assert search not in ada.rendered or not search.strip()
    if ada.rows != ["odd"]:
        return
    # The same from a link; a search that is longer than the limit is cut.
    assert ada.at(search=search).rows == [odd]


def test_nothing_found_offers_to_clear_the_filters(ada: Visitor, thirty: list[str]) -> None:
    ada.at(search="nothing like it")
    assert "**No runs match**" in [one.value for one in ada.app.markdown]
    ada.press("clear_filters_empty")
    assert ada.rows == thirty


def test_rows_per_page_takes_any_size_from_the_address(ada: Visitor, thirty: list[str]) -> None:
    ada.at(page_size="7")
    assert ada.rows == thirty[:7]
    assert ada.app.selectbox(key="rows_per_page").value == 7


def test_ticking_selects_across_pages(ada: Visitor, thirty: list[str]) -> None:
    ada.at(page_size="10").tick("run-01", "run-02")
    assert ada.selection == {"run-01", "run-02"}
    ada.app.pagination(key="page_number").select(2)
    ada.look().tick("run-10")
    assert ada.selection == {"run-01", "run-02", "run-10"}
    assert ada.app.button(key="delete_selected").label == "Delete 3"
    assert {"3 selected", "2 on other pages"} <= set(ada.texts)
    ada.app.pagination(key="page_number").select(1)
    assert list(ada.look().grid["id"][ada.grid["select"]]) == ["run-01", "run-02"]
    ada.tick("run-01", to=False)
    assert ada.selection == {"run-02", "run-10"}


def test_a_page_is_selected_and_all_is_cleared_at_once(ada: Visitor, thirty: list[str]) -> None:
    ada.at(page_size="10").press("select_page")
    assert ada.selection == set(thirty[:10])
    assert bool(ada.grid["select"].all())
    ada.tick("run-03", to=False)
    assert "run-03" not in ada.selection
    ada.press("clear_selection")
    assert ada.selection == set()
    assert not ada.grid["select"].any()
    assert ada.app.button(key="delete_selected").disabled


def test_a_selection_outlives_a_filter(ada: Visitor, thirty: list[str]) -> None:
    ada.at().tick("run-00", "run-01")
    ada.app.text_input(key="search_filter").set_value("Order 1")
    ada.look()
    assert ada.selection == {"run-00", "run-01"}
    assert "2 selected" in ada.texts
    assert ada.app.button(key="list_hidden").label == "1 not in this list"


def test_a_filter_that_is_gone_after_the_list_was_read_is_no_error_of_our_own(
    ada: Visitor, host: HostWriter, provided: RunManager
) -> None:
    run = host.add_run(completed_at="2026-01-01 12:00+00")

    def drop() -> None:
        host.execute("ALTER TABLE run_metadata DROP COLUMN completed_at")

    # A traceback of the page's own fails this.
    with as_soon_as_asked_later(provided, drop):
        ada.at(longer_than="5m")
    assert ada.rows == [run]
    assert any(one.startswith("Could not look at the times. Runs cannot") for one in ada.texts)
    assert ada.look().notices == ["Runs have no known end here: the address is read without it."]


HOSTILE_NAMES = [
    "<script>alert(1)</script>",
    "![x](http://example.invalid/x.png)",
    "[click](javascript:alert(1))",
    "=cmd|' /C calc'!A0",
    ":red[x] :material/delete: $x^2$",
    "**bold** `code` # title",
    "x" * 5_000,
    "\u202egnp.exe",
    "مرحبا بالعالم",
    "<img src=http://example.invalid/x.png>",
    "&lt;b&gt;&#x27;",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=lambda name: ascii(name[:18]))
def test_what_a_run_is_called_is_only_ever_plain_text(
    ada: Visitor, host: HostWriter, name: str
) -> None:
    run = host.add_run(
        name=name, status=name, user=name, workspace=name, error_message=name, llm_model=name,
        sop=name, metadata=None,
    )  # fmt: skip
    host.add_traces(run)
    host.execute("UPDATE logs SET message = %s, level = %s WHERE thread_id = %s", name, name, run)
    ada.at(username=name, workspace=host.workspace(name), search=name, status=name, error=name)
    assert ada.rows == [run]
    assert_not_rendered(ada, name)
    ada.press("select_page").press("delete_selected")
    assert ada.has_button("confirm_deletion")
    assert_not_rendered(ada, name)
    ada.press("cancel_deletion").at(kind="running").press("list_hidden")
    assert list(ada.tables("Run", "Status")[0]["ID"]) == [run]
    assert_not_rendered(ada, name)
    ada.press("keep_hidden").at_run(run)
    assert name in ada.texts
    assert_not_rendered(ada, name)


def assert_not_rendered(visitor: Visitor, name: str) -> None:
    for node in visitor.app:
        if str(getattr(node, "key", "")).startswith("chip-"):
            assert markup_in(node.label) == ""  # type: ignore[union-attr]  # a button
        elif node.type in {"markdown", "caption", "error", "warning", "info", "button"}:
            shown = str(getattr(node, "value", "")) + str(getattr(node, "label", ""))
            assert name not in shown, node
    # The status is HTML of ours, with each mark of the host's escaped.
    for one in visitor.app.get("html"):
        status = html.escape(styles.status_word(name, StatusKind.UNKNOWN))
        assert name not in one.proto.body.replace(f">{status}</span>", ""), one


def test_dashboard_and_service_list_the_same(
    ada: Visitor, manager: RunManager, admin: Actor, thirty: list[str]
) -> None:
    query = {"search": "order 1", "username": "linus"}
    page = manager.finding.list_runs(admin, RunFilter.from_query(query), PageRequest())
    assert ada.at(**query).rows == [run.thread_id for run in page.items]


def test_two_admins_do_not_share_a_selection(
    visitor: Callable[..., Visitor], thirty: list[str]
) -> None:
    one, other = visitor().signed_in_as("ada").at(), visitor().signed_in_as("ada").at()
    one.tick("run-00")
    assert other.look().selection == set()


def test_a_filter_whose_column_is_dropped_meanwhile_leaves_the_form_and_says_so(
    ada: Visitor, host: HostWriter
) -> None:
    run = host.add_run(llm_model="m-1")
    assert ada.at(model="m-1").rows == [run]
    host.execute("ALTER TABLE run_metadata DROP COLUMN llm_model")
    assert ada.look().rows == [run]
    assert "Runs have no model here: the address is read without it." in ada.notices
    assert "Model" not in [one.label for one in ada.app.selectbox]
