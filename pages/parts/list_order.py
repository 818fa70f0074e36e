"""The order of the list: the one that is asked for, or newest first where that cannot be had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pages.parts import session
from runmanager.errors import InvalidRequestError
from runmanager.sorting import NEWEST_FIRST, Sort

if TYPE_CHECKING:
    from pages.parts.address import View
    from runmanager.records import Actor, RunPage


@dataclass
class _Refused:
    """The filter and order that were asked for in vain, and what was said.

    There are more runs than can be put in that order, or the host keeps nothing to order them by.
    """

    asked: tuple[object, ...] = ()
    sentence: str = ""


def browse(actor: Actor, view: View, known: RunPage | None) -> RunPage:
    """The page that ``view`` asks for, in the order in which it can be shown."""
    finding, held = session.service().finding, session.slot(_Refused)
    held.asked, held.sentence = (), ""
    try:
        return finding.browse(actor, view.run_filter, view.request, known, view.sort)
    except InvalidRequestError as error:
        held.asked, held.sentence = (view.run_filter, view.sort), error.message
        return finding.browse(actor, view.run_filter, view.request, known, NEWEST_FIRST)


def shown(view: View) -> Sort:
    """The order in which the list is shown."""
    return NEWEST_FIRST if _is_refused(view) else view.sort


def refusal(view: View) -> str | None:
    """Why it is not the order that ``view`` asks for; None where it is."""
    if not _is_refused(view):
        return None
    return f"{session.slot(_Refused).sentence} Shown newest first."


def _is_refused(view: View) -> bool:
    return session.slot(_Refused).asked == (view.run_filter, view.sort)
