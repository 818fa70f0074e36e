"""What a filter selects: literal search, exact users and workspaces, all of it combined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runmanager.filters import WITHOUT, RunFilter
from runmanager.paging import PageRequest
from tests.conftest import every_shape
from tests.tried import trying

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.hosts import HostWriter

ALL = RunFilter()


def ids(manager: RunManager, admin: Actor, run_filter: RunFilter = ALL) -> list[str]:
    page = manager.finding.list_runs(admin, run_filter, PageRequest(1, 200))
    assert page.total == len(page.items)
    return [run.thread_id for run in page.items]


def test_filters_combine_with_and(host: HostWriter, manager: RunManager, admin: Actor) -> None:
    wanted = host.add_run(name="Order 7", user="kate", workspace="Ops")
    host.add_run(name="Order 7", user="kate", workspace="Lab")
    host.add_run(name="Order 7", user="tom", workspace="Ops")
    host.add_run(name="Other", user="kate", workspace="Ops")
    host.add_run(name="Order 7")
    ops = host.workspace("Ops")
    assert ids(manager, admin, RunFilter("order", "kate", ops)) == [wanted]
    assert len(ids(manager, admin, RunFilter("order", "kate"))) == 2
    assert len(ids(manager, admin, RunFilter("order"))) == 4
    assert len(ids(manager, admin, RunFilter(username="kate", workspace=ops))) == 2


NAMES = ["100 %", "100 x", "a_b", "axb", "c\\d", "c/d", "it's", 'say "hi"', "🚀 launch", "ÄRGER"]


SEARCHES = {
    "%": ["100 %"],
    "0 %": ["100 %"],
    "_": ["a_b"],
    "\\": ["c\\d"],
    "/": ["c/d"],
    "'": ["it's"],
    '"hi"': ['say "hi"'],
    "🚀": ["🚀 launch"],
    "LAUNCH": ["🚀 launch"],
    "ärger": ["ÄRGER"],
    "100": ["100 %", "100 x"],
    "x" * 10_000: [],
    "%" * 10_000: [],
    "a\0b": [],
    "\ud800": [],
    "'; DROP TABLE run_metadata; --": [],
}


def test_a_search_means_itself(host: HostWriter, manager: RunManager, admin: Actor) -> None:
    for name in NAMES:
        host.add_run(name=name)
    for search, found in SEARCHES.items():
        with trying(search):
            page = manager.finding.list_runs(admin, RunFilter(search=search), PageRequest())
            assert sorted(run.title for run in page.items) == sorted(found)


@every_shape
def test_a_search_finds_a_thread_id_in_any_case(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    run = host.add_runs(3, name=None)[1]
    for search in (run, run.upper(), run[2:]):
        assert run in ids(manager, admin, RunFilter(search=search))
    assert ids(manager, admin, RunFilter(search=run)) == [run]


def test_a_user_that_is_not_there_has_no_runs(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run(user="kate")
    host.add_run()
    for name in ("nobody", "KATE", "", "a\0b", "\ud800", "x" * 10_000, "%"):
        with trying(name):
            assert ids(manager, admin, RunFilter(username=name)) == []


@every_shape
def test_a_workspace_that_is_not_there_has_no_runs(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run(workspace="Ops")
    host.add_run()
    for name in ("nowhere", "9" * 30, "-1", "", "a\0b", "\ud800", "٣", "{"):
        with trying(name):
            assert ids(manager, admin, RunFilter(workspace=name)) == []


@pytest.mark.parametrize("shape", ["uuid", "integer"], indirect=True)
def test_an_id_in_another_spelling_is_another_id(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run(workspace="Ops")
    workspace = host.workspace("Ops")
    assert len(ids(manager, admin, RunFilter(workspace=workspace))) == 1
    for other in (workspace.upper() + " ", "{" + workspace + "}", "00" + workspace):
        assert ids(manager, admin, RunFilter(workspace=other)) == []


def test_two_users_of_one_name_are_filtered_together(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    one = host.add_run(user_id=host.add_user("kate"))
    two = host.add_run(user_id=host.add_user("kate"))
    assert set(ids(manager, admin, RunFilter(username="kate"))) == {one, two}


@every_shape
def test_runs_without_a_known_user_or_workspace_can_be_asked_for(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run(user="kate", workspace="Ops")
    bare = host.add_run()
    gone = host.add_run(user="tom", workspace="Lab")
    host.execute("DELETE FROM users WHERE username = 'tom'")
    assert set(ids(manager, admin, RunFilter(username=WITHOUT))) == {bare, gone}
    if host.shape.is_minimal:
        gone = bare  # no workspaces: nothing can be gone
    else:
        host.execute("DELETE FROM workspaces WHERE name = 'Lab'")
    assert set(ids(manager, admin, RunFilter(workspace=WITHOUT))) == {bare, gone}


@every_shape
def test_no_text_in_a_filter_is_an_error(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run(user="kate", workspace="Ops")
    has_errors = "error" in manager.finding.offered
    # Hypothesis makes no lone surrogates unasked.
    texts = st.text(max_size=20) | st.sampled_from(["\ud800", "a\0b", "\\", "%_"])

    @given(texts, texts, texts, texts)
    def listing_never_raises(search: str, username: str, workspace: str, status: str) -> None:
        error = search if has_errors else ""
        asked = RunFilter(search, username, workspace, status=(status,), error=error)
        manager.finding.list_runs(admin, asked, PageRequest())

    listing_never_raises()


ERRORS = {
    "timeouterror": ["TimeoutError: 30 s"],
    "%": ["50 % of \\ is _"],
    "\\": ["50 % of \\ is _"],
    "_": ["50 % of \\ is _"],
    "step 3": ["first line\nstep 3"],
    "line\nstep": ["first line\nstep 3"],
    "ÄRGER": ["ärger"],
    "a\0b": [],
    "\ud800": [],
    "nothing": [],
}


def test_an_error_is_found_by_any_part_of_its_text(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    errors = {
        host.add_run(error_message=text): text
        for text in ("TimeoutError: 30 s", "50 % of \\ is _", "first line\nstep 3", "ärger", None)
    }
    for error, found in ERRORS.items():
        with trying(error):
            assert [errors[run] for run in ids(manager, admin, RunFilter(error=error))] == found


def test_a_search_looks_at_ids_and_names_only(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run("r-1", user="kate", workspace="Ops", status="failed", error_message="timeout")
    for search in ("kate", "ops", "failed", "timeout", "2025"):
        assert ids(manager, admin, RunFilter(search)) == []
    for search in ("r-1", "R-", "ORDER PROC"):
        assert ids(manager, admin, RunFilter(search)) == ["r-1"]


def test_a_user_is_meant_to_the_letter(host: HostWriter, manager: RunManager, admin: Actor) -> None:
    runs = {name: host.add_run(user=name) for name in ("kate", "Kate", "kate ", "katé")}
    for name, run in runs.items():
        assert ids(manager, admin, RunFilter(username=name)) == [run]


def test_a_workspace_is_meant_by_its_id_and_a_user_by_their_name(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.execute("INSERT INTO workspaces VALUES ('ops', 'Lab'), ('w2', 'ops')")
    host.execute("INSERT INTO users (id, username) VALUES ('kate', 'tom'), ('u2', 'kate')")
    one = host.add_run(workspace_id="ops", user_id="kate")
    two = host.add_run(workspace_id="w2", user_id="u2")
    assert ids(manager, admin, RunFilter(workspace="ops")) == [one]
    assert ids(manager, admin, RunFilter(workspace="w2")) == [two]
    assert ids(manager, admin, RunFilter(username="kate")) == [two]
    assert ids(manager, admin, RunFilter(username="tom", workspace="ops")) == [one]
    assert ids(manager, admin, RunFilter(username="kate", workspace="ops")) == []
