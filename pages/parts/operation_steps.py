"""What can be asked of an operation that has not ended: to pause, to go on, to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import session
from pages.parts.messages import shown_errors
from runmanager.records import OperationState

if TYPE_CHECKING:
    from runmanager.records import Actor, OperationView


@dataclass(frozen=True)
class Step:
    """One of them: the service's word for it, its button, and in which states it makes sense."""

    verb: str
    label: str
    icon: str
    states: frozenset[OperationState]


_WAITING = {OperationState.QUEUED, OperationState.INTERRUPTED}
STEPS = (
    Step(
        "stop",
        "Stop",
        "stop",
        frozenset({*_WAITING, OperationState.RUNNING, OperationState.PAUSED}),
    ),
    Step("pause", "Pause", "pause", frozenset({*_WAITING, OperationState.RUNNING})),
    Step("resume", "Resume", "play_arrow", frozenset({OperationState.PAUSED})),
)


def draw_steps(actor: Actor, view: OperationView, *, most: int = len(STEPS)) -> None:
    """Draw a button for each, or for the first ``most``; none while one is under way."""
    if view.is_stopping:
        return
    steps = [one for one in STEPS if view.state in one.states]
    # One that is paused is most likely to go on.
    steps.sort(key=lambda one: one.verb != "resume")
    for step in steps[:most]:
        st.button(
            step.label,
            key=f"{step.verb}_operation",
            icon=f":material/{step.icon}:",
            on_click=_ask,
            args=(actor, view.operation_id, step.verb),
        )


def _ask(actor: Actor, operation_id: str, verb: str) -> None:
    operations = session.service().operations
    ask = {"stop": operations.stop, "pause": operations.pause, "resume": operations.resume}[verb]
    with shown_errors():
        ask(actor, operation_id)
