"""The operations page: what was done to runs and by whom; one operation, with its receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pages.parts import address, operation_detail, operation_list
from pages.parts.signin import require_admin

if TYPE_CHECKING:
    from runmanager.records import Actor


def draw(actor: Actor, operation_id: str) -> None:
    """Draw the operation of that id, or all of them."""
    if operation_id:
        operation_detail.draw(actor, operation_id)
    else:
        operation_list.draw(actor)


page_actor = require_admin()
draw(page_actor, address.opened_operation())
