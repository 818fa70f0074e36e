"""The sidebar: search, user, workspace and rows per page; each change is written to the address."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import session
from pages.parts.address import View, read_view, write_view
from pages.parts.messages import shown_errors
from runmanager.filters import MAX_SEARCH, RunFilter
from runmanager.paging import PageRequest

if TYPE_CHECKING:
    from runmanager.records import Actor, WorkspaceChoice

SIZES = (10, 25, 50, 100, 200)


@dataclass(frozen=True)
class Choice:
    """One entry of a filter: a value of the host's, or (``value`` None) the runs without one."""

    value: str | None
    label: str


def draw_filters(actor: Actor, view: View) -> tuple[View, dict[str, str]]:
    """Draw the form; the view it stands for, and the labels of the workspaces by id.

    The view is the given one without a user or workspace that has no runs; a notice says so.
    """
    with shown_errors():
        users = _user_choices(session.service().usernames(actor))
    notices = list(view.notices)
    run_filter = view.run_filter
    if (
        run_filter.username is not None
        and Choice(run_filter.username, run_filter.username) not in users
    ):
        notices.append("The user in the address has no runs: showing all users.")
        run_filter = replace(run_filter, username=None)
    with shown_errors():
        narrowed = RunFilter(username=run_filter.username, without_user=run_filter.without_user)
        workspaces = _workspace_choices(session.service().workspaces(actor, narrowed))
    if run_filter.workspace is not None and not any(
        one.value == run_filter.workspace for one in workspaces
    ):
        notices.append("The workspace in the address has no such runs: showing all workspaces.")
        run_filter = replace(run_filter, workspace=None)
    view = View(run_filter, view.request, tuple(notices))
    _draw(view, users, workspaces)
    return view, {one.value: one.label for one in workspaces if one.value is not None}


def clear_filters() -> None:
    """Show all runs again, with as many rows as before."""
    write_view(View(RunFilter(), PageRequest(size=read_view().request.size)))
    session.state().needs_reading = True


def _draw(view: View, users: list[Choice], workspaces: list[Choice]) -> None:
    chosen = view.run_filter
    user = _chosen(users, chosen.username, is_without=chosen.without_user)
    workspace = _chosen(workspaces, chosen.workspace, is_without=chosen.without_workspace)
    # Each value is given twice: seeded, for what changed in the address, and as the default, for a
    # browser that missed the seed because its first run was interrupted by a second.
    # What is typed keeps its spaces at the end: a word may follow.
    if _searched() != chosen.search:
        session.seed("search_text", chosen.search)
    session.seed("user_choice", user)
    session.seed("workspace_choice", workspace)
    sizes = sorted({*SIZES, view.request.size})
    session.seed("rows_per_page", view.request.size)
    with st.sidebar:
        st.text_input(
            "Search",
            chosen.search,
            key="search_text",
            type="search",
            live="400ms",
            placeholder="Name or thread id",
            on_change=_changed,
        )
        st.selectbox(
            "User",
            users,
            key="user_choice",
            format_func=_label,
            index=None if user is None else users.index(user),
            placeholder="All users",
            on_change=_changed,
        )
        st.selectbox(
            "Workspace",
            workspaces,
            key="workspace_choice",
            format_func=_label,
            index=None if workspace is None else workspaces.index(workspace),
            placeholder="All workspaces",
            on_change=_changed,
        )
        st.selectbox(
            "Rows per page",
            sizes,
            sizes.index(view.request.size),
            key="rows_per_page",
            on_change=_changed,
        )


def _changed() -> None:
    """Write what the form says to the address; any change returns to page 1."""
    user, workspace = session.value("user_choice"), session.value("workspace_choice")
    size = session.value("rows_per_page")
    run_filter = RunFilter(
        search=_searched(),
        username=user.value if isinstance(user, Choice) else None,
        workspace=workspace.value if isinstance(workspace, Choice) else None,
        without_user=isinstance(user, Choice) and user.value is None,
        without_workspace=isinstance(workspace, Choice) and workspace.value is None,
    )
    request = PageRequest(size=size) if isinstance(size, int) else PageRequest()
    write_view(View(run_filter, request))
    session.state().needs_reading = True


def _searched() -> str:
    return str(session.value("search_text") or "").strip()[:MAX_SEARCH]


def _user_choices(usernames: tuple[str, ...]) -> list[Choice]:
    return [*(Choice(name, name) for name in usernames), Choice(None, "(no known user)")]


def _workspace_choices(workspaces: tuple[WorkspaceChoice, ...]) -> list[Choice]:
    names = Counter(one.name for one in workspaces)
    return [
        *(Choice(one.workspace_id, _workspace_label(one, names)) for one in workspaces),
        Choice(None, "(no known workspace)"),
    ]


def _workspace_label(one: WorkspaceChoice, names: Counter[str | None]) -> str:
    if one.name is None:
        return one.workspace_id
    # Two of the same name are told apart by their ids, also by the widget itself.
    return one.name if names[one.name] == 1 else f"{one.name} · {one.workspace_id}"


def _chosen(choices: list[Choice], value: str | None, *, is_without: bool) -> Choice | None:
    if value is None and not is_without:
        return None
    return next((one for one in choices if one.value == value), None)


def _label(choice: Choice) -> str:
    # Never shortened: the widget tells its entries apart by these words.
    return choice.label
