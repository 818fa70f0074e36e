"""Two front doors, one behaviour: the API and the page's own calls give the same runs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from tests.hosts import LONG_AGO

if TYPE_CHECKING:
    from runmanager.records import Actor
    from tests.api.conftest import Caller
    from tests.hosts import HostWriter

NAMES = ["Order 1", "order 2", "100% of_it \\ done", "注文 🚚", "İstanbul", "", None, "ORDER 10"]
USERS = ["kate", "Kate", "zoë", None, "100%", "a,b"]
SPACES = ["Ops", "Sales", None]
STATUSES = ["completed", "running", None]

text = st.one_of(
    st.sampled_from(
        ["", "order", "ORDER", "%", "_", "\\", " ", "r-1", "R-01", "é", "🚚", "i̇", "\0"]
    ),
    st.text(max_size=6),
)
queries = st.fixed_dictionaries(
    {},
    optional={
        "search": text,
        "username": st.one_of(st.sampled_from([one or "" for one in USERS]), text),
        "workspace": st.one_of(st.sampled_from(["id-0003", "id-0002", "none"]), text),
        "page": st.integers(1, 6).map(str),
        "page_size": st.one_of(st.integers(1, 12), st.sampled_from([50, 200])).map(str),
    },
)


def fill(host: HostWriter) -> None:
    for number in range(48):
        host.add_run(
            f"r-{number:02}",
            name=NAMES[number % 8],
            status=STATUSES[number % 3],
            created_at=None if number % 11 == 0 else LONG_AGO + timedelta(hours=number // 4),
            user=USERS[number % 6],
            workspace=SPACES[number % 5 % 3],
        )


def test_500_filters_give_the_same_runs_and_totals(
    host: HostWriter, caller: Caller, admin: Actor
) -> None:
    fill(host)
    found = set()

    @settings(max_examples=500)
    @given(query=queries)
    def compare(query: dict[str, str]) -> None:
        # Halves of characters cannot be sent: the address would hold something else.
        sent = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
        request, _notices = PageRequest.from_query(sent)
        page = caller.manager.finding.list_runs(admin, RunFilter.from_query(sent), request)
        answer = caller.client.get(f"/runs?{urlencode(sent)}").json()
        assert answer["total"] == page.total
        assert [
            (run["id"], run["name"], run["result"], run["username"], run["workspace"])
            for run in answer["runs"]
        ] == [
            (run.thread_id, run.title, run.status, run.username, run.workspace_id)
            for run in page.items
        ]
        assert (answer["page"], answer["page_size"]) == (request.number, request.size)
        found.add(page.total)

    compare()
    assert len(found) > 5  # the filters did select


def test_the_filter_lists_are_the_page_s(host: HostWriter, caller: Caller, admin: Actor) -> None:
    fill(host)
    assert caller.json("/usernames")["usernames"] == list(caller.manager.finding.usernames(admin))
    choices = caller.manager.finding.workspaces(admin)
    assert caller.json("/workspaces")["workspaces"] == sorted(one.value for one in choices)


def test_what_the_page_would_delete_is_what_the_api_would(
    host: HostWriter, caller: Caller, admin: Actor
) -> None:
    fill(host)
    runs = [f"r-{number:02}" for number in range(60)]
    page = caller.manager.deleting.plan(admin, runs, include_running=False)
    body = {"thread_ids": runs, "include_running": False}
    plan = caller.send("POST", "/deletion-plan", body)
    assert plan["total"] == len(page.runs)
    assert plan["running_left_out"] == [run.thread_id for run in page.excluded]
    assert plan["missing"] == list(page.missing)
    assert caller.send("DELETE", "/runs", body)["deleted_count"] == len(page.runs)
