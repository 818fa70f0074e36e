"""axe-core finds no serious fault on any page, in the light and in the dark theme."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.axe import Axe
from tests.browser.test_looking_over import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.dashboard import Dashboard
    from tests.hosts import HostWriter

STATUSES = ("running", "completed", "failed", "paused", "Waiting for a human", None)


@pytest.fixture
def axe() -> Axe:
    """What looks for faults."""
    return Axe()


def test_no_page_has_a_serious_fault(
    tab: Callable[..., Dashboard], host: HostWriter, axe: Axe
) -> None:
    visitor = tab(of=None).visit()
    axe.look(visitor.page, "sign-in page")
    visitor.fill_form("ada", "a wrong password")
    expect(visitor.page.get_by_role("alert")).to_be_visible()
    axe.look(visitor.page, "refused sign-in")
    ada = tab().visit()
    expect(ada.area("empty")).to_be_visible()
    ada.settle()
    axe.look(ada.page, "list without any run")
    runs = [
        host.add_run(
            status=status, user="kate", workspace="Ops", error_message="TimeoutError: late"
        )
        for status in STATUSES
    ]
    host.add_traces(runs[2])
    ada.visit("/", search="nothing has this name")
    expect(ada.area("empty")).to_be_visible()
    ada.settle()
    axe.look(ada.page, "list that nothing matches")
    ada.visit("/", username="kate", page_size="5").expect_total(f"{len(STATUSES)} runs")
    ada.settle()
    axe.look(ada.page, "runs list")
    ada.tick(*runs[2:4])
    ada.ask_to_delete_selected(2)
    ada.settle()
    axe.look(ada.page, "confirmation")
    ada.dialog.get_by_role("button", name="Cancel").click()
    ada.visit("/run", id=runs[2])
    expect(ada.page.get_by_text("Rows and bytes")).to_be_visible()
    ada.settle()
    table(ada, "Message").choose(0)
    expect(ada.area("log-line")).to_be_visible()
    table(ada, "Checkpoint").choose(0)
    expect(ada.area("opened-checkpoint")).to_contain_text("Writes")
    ada.settle()
    axe.look(ada.page, "run")
    ada.press("Delete this run")
    ada.confirm("Delete 1 run")
    ada.expect_result("1 run deleted")
    ada.settle()
    axe.look(ada.page, "result")
    ada.area("result").get_by_role("link", name="Receipt").click()
    expect(ada.area("receipt-headline")).to_be_visible()
    ada.settle()
    axe.look(ada.page, "receipt")
    ada.press("Restore all")
    expect(ada.dialog).to_be_visible()
    ada.settle()
    axe.look(ada.page, "restore")
    ada.visit("/operations")
    expect(ada.area("operations-head")).to_be_visible()
    ada.settle()
    axe.look(ada.page, "operations")
    ada.visit("/run", id="no such run")
    ada.settle()
    axe.look(ada.page, "run that is not there")
    assert not axe.faults, "\n".join(axe.faults)
