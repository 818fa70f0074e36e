"""Which operations are listed: in the address, as the API has them, and the widgets for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import address, operation_words, session
from pages.parts.messages import shown_errors
from runmanager.entries import texts_of
from runmanager.paging import PageRequest
from runmanager.records import EVERY_OPERATION, OperationFilter, OperationState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from runmanager.records import Actor

STATE, KIND, ADMIN, PAGE = "state", "kind", "admin", "page"
# In the order in which an operation goes through them.
STATES = ("running", "queued", "paused", "interrupted", "finished")


@dataclass(frozen=True)
class Listed:
    """What is listed, and from which page on; ``notices`` say what the address could not have."""

    which: OperationFilter = EVERY_OPERATION
    number: int = 1
    notices: tuple[str, ...] = field(default=(), compare=False)

    def to_query(self) -> dict[str, str | list[str]]:
        """The query parameters of this list; what is not narrowed is left out."""
        states = [one.value for one in self.which.states]
        query: dict[str, str | list[str]] = {}
        for key, values in ((STATE, states), (KIND, list(self.which.kinds))):
            if values:
                query[key] = values[0] if len(values) == 1 else values
        if self.which.admin is not None:
            query[ADMIN] = self.which.admin
        return query | PageRequest(self.number).to_query()


@dataclass
class _Drawn:
    """What the list was narrowed to when it was drawn last."""

    listed: Listed | None = None


def read(actor: Actor) -> tuple[Listed, tuple[str, ...]]:
    """What the address asks for, without what nobody knows; and all admins there are to choose."""
    query = address.read_operations()
    request, notices = PageRequest.from_query(query)
    said = list(notices)
    kinds = [one.name for one in session.service().operations.kinds]
    states = _known(STATE, texts_of(query, STATE), STATES, said)
    found = _known(KIND, texts_of(query, KIND), kinds, said)
    with shown_errors():
        admins = session.service().operations.admins(actor)
    admin = next(iter(reversed(texts_of(query, ADMIN))), "") or None
    if admin is not None and admin not in admins:
        said.append("The admin in the address has asked for no operation: showing everybody's.")
        admin = None
    which = OperationFilter(tuple(map(OperationState, states)), found, admin)
    return Listed(which, 1 if request.from_end else request.number, tuple(said)), admins


def turned(listed: Listed, pager: str) -> Listed:
    """The list on the page that the viewer has turned to, which goes to the address.

    A page that the address asks for anew counts more than where the viewer was.
    """
    drawn, number = session.slot(_Drawn), session.value(pager)
    if drawn.listed != listed:
        session.seed(pager, listed.number)
    elif isinstance(number, int) and number != listed.number:
        listed = replace(listed, number=number)
        address.write_operations(listed.to_query())
    drawn.listed = listed
    return listed


def draw(listed: Listed, admins: Collection[str]) -> None:
    """Draw the widgets, each of which goes to the address, and back to the first page."""
    which = listed.which
    kinds = [one.name for one in session.service().operations.kinds]
    with st.container(key="operations-filter", horizontal=True, gap="small"):
        _draw_pills(STATE, STATES, [one.value for one in which.states], _state)
        _draw_pills(KIND, kinds, list(which.kinds), str.capitalize)
        options = list(admins)
        session.seed(_box(ADMIN), which.admin)
        st.selectbox(
            "Admin",
            options,
            index=None if which.admin is None else options.index(which.admin),
            key=_box(ADMIN),
            placeholder="All admins",
            label_visibility="collapsed",
            width=150,
            on_change=_choose,
            args=(ADMIN,),
        )


def _draw_pills(
    name: str, words: Sequence[str], chosen: list[str], said: Callable[[str], str]
) -> None:
    session.seed(_box(name), chosen)
    st.pills(
        name.capitalize(),
        words,
        selection_mode="multi",
        default=chosen,
        key=_box(name),
        format_func=said,
        label_visibility="collapsed",
        width="content",
        on_change=_choose,
        args=(name,),
    )


def _state(word: str) -> str:
    return operation_words.sign_and_word(OperationState(word))


def _box(name: str) -> str:
    return f"operations_{name}"


def _choose(name: str) -> None:
    value = session.value(_box(name))
    query = {key: old for key, old in address.read_operations().items() if key not in {name, PAGE}}
    if isinstance(value, list) and value:
        query[name] = value[0] if len(value) == 1 else value
    elif isinstance(value, str):
        query[name] = value
    address.write_operations(query)


def _known(
    key: str, texts: Iterable[str], words: Collection[str], said: list[str]
) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(texts))
    if any(one not in words for one in found if one):
        said.append(f"“{key}” in the address must be one of {', '.join(words)}.")
    return tuple(one for one in found if one in words)
