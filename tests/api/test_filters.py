"""The filters of the list, as parameters: what is offered, and what excludes itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.test_refusals import detail_of

if TYPE_CHECKING:
    from tests.api.conftest import Caller, OpenCaller
    from tests.hosts import HostWriter


def ids(answer: Any) -> set[str]:
    return {run["id"] for run in answer["runs"]}


@pytest.fixture
def four_runs(host: HostWriter) -> None:
    host.add_run("whole", user="kate", workspace="Ops")
    host.add_run("no-user", user_id="u-gone", workspace="Ops")
    host.add_run("no-workspace", user="kate", workspace_id="w-gone")
    host.add_run("neither", user_id=None, workspace_id=None)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("without=user", {"no-user", "neither"}),
        ("without=workspace", {"no-workspace", "neither"}),
        ("without=user,workspace", {"neither"}),
        ("without=workspace,user", {"neither"}),
        ("without=workspace&username=kate", {"no-workspace"}),
        ("without=", {"whole", "no-user", "no-workspace", "neither"}),
    ],
)
def test_the_runs_without_a_user_or_workspace_are_found(
    caller: Caller, four_runs: None, query: str, found: set[str]
) -> None:
    assert ids(caller.json(f"/runs?{query}")) == found


@pytest.mark.parametrize(
    "query",
    [
        "without=user&username=kate", "without=user,workspace&workspace=7", "without=name",
        "without=user,,workspace", "without=USER", "without=search", "without=user workspace",
    ],
)  # fmt: skip
def test_what_excludes_itself_or_is_no_such_word_is_refused(caller: Caller, query: str) -> None:
    (problem,) = detail_of(caller.client.get(f"/runs?{query}"), 422)
    assert problem["loc"] == ["query", "without"]


def test_what_is_offered_is_told_with_its_values(caller: Caller, four_runs: None) -> None:
    filters = {one["key"]: one for one in caller.json("/filters")["filters"]}
    assert filters["search"]["without"] is None
    assert filters["username"]["without"] == "user"
    assert filters["workspace"]["without"] == "workspace"
    users = caller.json("/filters/username/values")
    assert users == {"values": [{"value": "kate", "name": "kate"}], "is_complete": True}
    workspaces = caller.json("/filters/workspace/values")["values"]
    assert [one["name"] for one in workspaces] == ["Ops", None]
    for key in ("search", "else", "%00"):
        assert "no list of values" in detail_of(caller.client.get(f"/filters/{key}/values"), 404)


def test_a_host_without_workspaces_names_has_runs_without_one(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    host.execute("DROP TABLE workspaces")
    host.add_run("in-one", workspace_id="7")
    host.add_run("in-none", workspace_id=None)
    assert ids(open_caller().json("/runs", without="workspace")) == {"in-none"}


@pytest.mark.parametrize("query", ["model=m-1", "without=model"])
def test_what_the_host_has_no_column_for_is_not_offered_and_refused(
    host: HostWriter, open_caller: OpenCaller, query: str
) -> None:
    host.execute("ALTER TABLE run_metadata DROP COLUMN llm_model")
    host.add_run()
    caller = open_caller()
    assert "model" not in {one["key"] for one in caller.json("/filters")["filters"]}
    detail = detail_of(caller.client.get(f"/runs?{query}"), 422)
    assert detail.endswith("“run_metadata” has no column “llm_model”.")
