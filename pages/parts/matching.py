"""Which runs of the list are ticked where all that match a filter are selected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pages.parts import run_list, selection, session
from pages.parts.messages import shown_errors

if TYPE_CHECKING:
    from pages.parts.address import View
    from runmanager.records import Actor, RunPage


@dataclass
class _Known:
    """Which runs of a page do not match the filter of the selection, as it was when asked."""

    about: object = None
    strangers: frozenset[str] = frozenset()


def ticked(actor: Actor, view: View, page: RunPage) -> frozenset[str]:
    """The ids of the runs on the page that are selected."""
    selected, held = selection.matching(), session.slot(_Known)
    if selected is None or selected.asked == view.run_filter or not page.items:
        return selection.among(page.items)
    ids = tuple(run.thread_id for run in page.items)
    about = (selected, ids, run_list.readings())
    if held.about != about:
        with shown_errors():
            hidden = session.service().triage.hidden(actor, selected.run_filter, ids)
        held.about, held.strangers = about, frozenset(hidden)
    return selection.among(page.items, held.strangers)
