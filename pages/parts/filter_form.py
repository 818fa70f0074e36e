"""The sidebar: search, user, workspace and rows per page; each change is written to the address."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.errors import StreamlitAPIException

from pages.parts import run_list, session
from pages.parts.address import View, read_view, write_view
from pages.parts.messages import shown_errors
from runmanager.filters import MAX_SEARCH, RunFilter
from runmanager.paging import PageRequest

if TYPE_CHECKING:
    from runmanager.records import Actor, WorkspaceChoice

SIZES = (10, 25, 50, 100, 200)
# The fragments of the runs page: a change draws anew what depends on it, and nothing else.
FILTERS, LIST = "filters", "list"


@dataclass(frozen=True)
class Choice:
    """One entry of a filter: a value of the host's, or (``value`` None) the runs without one."""

    value: str | None
    label: str


@dataclass(frozen=True)
class Choices:
    """What the filters offer: all users, and the workspaces of the runs that ``narrowed`` selects.

    They are read once for each run of the whole page, and for each choice of a user.
    """

    users: tuple[Choice, ...]
    workspaces: tuple[Choice, ...]
    narrowed: RunFilter

    def workspace_name(self, run_filter: RunFilter) -> str | None:
        """The label of the workspace that is filtered by."""
        value = run_filter.workspace
        return next((one.label for one in self.workspaces if one.value == value), None)


@dataclass
class _Offered:
    choices: Choices | None = None


def forget_choices() -> None:
    """Let what there is to choose from be read anew."""
    session.slot(_Offered).choices = None


def current_view(actor: Actor) -> tuple[View, Choices]:
    """What the address asks for, and what there is to choose from.

    The view is without a user or workspace that has no runs; a notice says so.
    """
    held = session.slot(_Offered)
    view = read_view()
    notices = list(view.notices)
    run_filter = view.run_filter
    with shown_errors():
        users = held.choices.users if held.choices is not None else _user_choices(actor)
    if run_filter.username is not None and _chosen(users, run_filter.username) is None:
        notices.append("The user in the address has no runs: showing all users.")
        run_filter = replace(run_filter, username=None)
    narrowed = RunFilter(username=run_filter.username, without_user=run_filter.without_user)
    if held.choices is None or held.choices.narrowed != narrowed:
        with shown_errors():
            held.choices = Choices(users, _workspace_choices(actor, narrowed), narrowed)
    choices = held.choices
    if run_filter.workspace is not None and choices.workspace_name(run_filter) is None:
        notices.append("The workspace in the address has no such runs: showing all workspaces.")
        run_filter = replace(run_filter, workspace=None)
    return View(run_filter, view.request, tuple(notices)), choices


@st.fragment(key=FILTERS)
def draw_filters(actor: Actor) -> None:
    """Draw the form in the sidebar."""
    view, choices = current_view(actor)
    chosen = view.run_filter
    user = _chosen(choices.users, chosen.username, is_without=chosen.without_user)
    workspace = _chosen(choices.workspaces, chosen.workspace, is_without=chosen.without_workspace)
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
            choices.users,
            key="user_choice",
            format_func=_label,
            index=None if user is None else choices.users.index(user),
            placeholder="All users",
            on_change=_changed,
            # The workspaces are those of the user's runs.
            kwargs={"redrawn": (FILTERS, LIST)},
        )
        st.selectbox(
            "Workspace",
            choices.workspaces,
            key="workspace_choice",
            format_func=_label,
            index=None if workspace is None else choices.workspaces.index(workspace),
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


def clear_filters() -> None:
    """Show all runs again, with as many rows as before: for a button to call."""
    write_view(View(RunFilter(), PageRequest(size=read_view().request.size)))
    _show_anew((FILTERS, LIST))


def _changed(redrawn: tuple[str, ...] = (LIST,)) -> None:
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
    _show_anew(redrawn)


def _show_anew(fragments: tuple[str, ...]) -> None:
    run_list.read_anew()
    # Where the page broke off before its list, there is none to draw: the whole page runs.
    with suppress(StreamlitAPIException):
        st.rerun(fragments)


def _searched() -> str:
    return str(session.value("search_text") or "").strip()[:MAX_SEARCH]


def _user_choices(actor: Actor) -> tuple[Choice, ...]:
    usernames = session.service().finding.usernames(actor)
    return (*(Choice(name, name) for name in usernames), Choice(None, "(no known user)"))


def _workspace_choices(actor: Actor, narrowed: RunFilter) -> tuple[Choice, ...]:
    workspaces = session.service().finding.workspaces(actor, narrowed)
    names = Counter(one.name for one in workspaces)
    return (
        *(Choice(one.workspace_id, _workspace_label(one, names)) for one in workspaces),
        Choice(None, "(no known workspace)"),
    )


def _workspace_label(one: WorkspaceChoice, names: Counter[str | None]) -> str:
    if one.name is None:
        return one.workspace_id
    # Two of the same name are told apart by their ids, also by the widget itself.
    return one.name if names[one.name] == 1 else f"{one.name} · {one.workspace_id}"


def _chosen(
    choices: tuple[Choice, ...], value: str | None, *, is_without: bool = False
) -> Choice | None:
    if value is None and not is_without:
        return None
    return next((one for one in choices if one.value == value), None)


def _label(choice: Choice) -> str:
    # Never shortened: the widget tells its entries apart by these words.
    return choice.label
