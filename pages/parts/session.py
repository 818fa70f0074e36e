"""What a browser session holds, and the service: the only user of st.session_state and of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from pages.parts.address import View
    from runmanager.filters import RunFilter
    from runmanager.records import (
        Actor,
        DeletionPlan,
        OperationView,
        PlannedRun,
        RunPage,
        RunSummary,
    )
    from runmanager.service import RunManager

T = TypeVar("T")

_STATE = "run_manager"
_SIGNED_IN = "authentication_status"
_USERNAME = "username"


@dataclass(frozen=True)
class SignIn:
    """How one signs in to this process; ``demo`` is the name and password to show, if any."""

    cookie_key: str = field(repr=False)
    demo: tuple[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Provided:
    service: RunManager
    sign_in: SignIn


@dataclass
class GridState:
    """The rows that the grid on the page was drawn from.

    They stay as they are for as long as the grid's key does: its edits are kept by position.
    """

    key: str
    view: View
    page: RunPage
    selected_at_first: frozenset[str]
    frame: pd.DataFrame


@dataclass
class State:
    """One session's state between its script runs."""

    selection: dict[str, RunSummary | PlannedRun] = field(default_factory=dict)
    grid: GridState | None = None
    grids: int = 0
    needs_reading: bool = True
    is_searching: bool = False
    admitted: Actor | None = None
    count_id: str | None = None
    counted: tuple[RunFilter, int] | None = None
    to_delete: tuple[str, ...] = ()
    plan: DeletionPlan | None = None
    operation_id: str | None = None
    finished: OperationView | None = None
    open_checkpoint: tuple[str, str, str] | None = None
    is_signing_out: bool = False
    cookie_is_due: bool = False
    cookie_is_leaving: bool = False
    cookie_was_refused: bool = False
    was_drawn: bool = False
    list_query: dict[str, str] = field(default_factory=dict)
    slots: dict[type, object] = field(default_factory=dict)


_provided: list[_Provided] = []


def provide(service: RunManager, sign_in: SignIn) -> None:
    """Give every session this service and this way to sign in; the process does so once."""
    _provided[:] = [_Provided(service, sign_in)]


def service() -> RunManager:
    """The one door to the host's database."""
    return _provided[0].service


def sign_in() -> SignIn:
    """How one signs in to this process."""
    return _provided[0].sign_in


def state() -> State:
    """This session's state; empty at first."""
    found = st.session_state.get(_STATE)
    if not isinstance(found, State):
        found = st.session_state[_STATE] = State()
    return found


def slot(kind: type[T]) -> T:
    """This session's one ``kind``, made without arguments where there is none yet.

    It is a part's own state: only the file that defines ``kind`` reads or changes it.
    """
    slots = state().slots
    if kind not in slots:
        slots[kind] = kind()
    found = slots[kind]
    assert isinstance(found, kind)  # noqa: S101  it is kept by its own type
    return found


def signed_in_name() -> str | None:
    """The name that this session signed in with, as the authenticator keeps it."""
    if st.session_state.get(_SIGNED_IN) is not True:
        return None
    name = st.session_state.get(_USERNAME)
    return name if isinstance(name, str) and name else None


def sign_in_failed() -> bool:
    """Whether the last attempt to sign in was refused."""
    return st.session_state.get(_SIGNED_IN) is False


def ignore_cookie() -> None:
    """Let the cookie that the browser sent sign nobody in: the authenticator asks this first."""
    st.session_state["logout"] = True


def forget() -> None:
    """Drop everything that this session held for whoever was signed in."""
    st.session_state[_STATE] = State()


def seed(key: str, value: object) -> None:
    """Set a widget's value before it is drawn."""
    if st.session_state.get(key) != value:
        st.session_state[key] = value


def value(key: str) -> object:
    """A widget's value, None before it was drawn."""
    return st.session_state.get(key)


def checked_rows(grid: GridState) -> frozenset[str]:
    """The ids on the grid's page that are ticked, by its base rows and the edits since."""
    checked = {run.thread_id for run in grid.page.items} & grid.selected_at_first
    edits = st.session_state.get(grid.key) or {}
    for row, changes in dict(edits).get("edited_rows", {}).items():
        thread_id = grid.page.items[int(row)].thread_id
        if "select" in changes:
            (checked.add if changes["select"] else checked.discard)(thread_id)
    return frozenset(checked)


def was_deleted(thread_id: str) -> bool:
    """Whether the result on the page says that this run is gone."""
    finished = state().finished
    receipt = finished.receipt if finished is not None else None
    return receipt is not None and receipt.removed(thread_id)


def chosen_rows(key: str) -> tuple[int, ...]:
    """The rows that are chosen in a data frame that lets rows be chosen."""
    event = st.session_state.get(key)
    return tuple(event["selection"]["rows"]) if event else ()


def select(runs: Iterable[RunSummary | PlannedRun]) -> None:
    """Make ``runs`` the whole selection; the grid is drawn anew with it."""
    state().selection = {run.thread_id: run for run in runs}
