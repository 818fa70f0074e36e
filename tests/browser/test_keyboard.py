"""By keyboard alone, and with a screen reader: the confirmation, and what comes after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.dashboard import Dashboard
    from tests.hosts import HostWriter

HAS_FOCUS = "one => one.contains(document.activeElement)"


def delete_by_keyboard(ada: Dashboard, *thread_ids: str) -> None:
    """Tick, ask and confirm without a mouse."""
    ada.tick(*thread_ids)
    count = len(thread_ids)
    ada.settle()
    ada.button(f"Delete {count}").press("Enter")
    confirm = f"Delete {count} {'run' if count == 1 else 'runs'}"
    ada.dialog.get_by_role("button", name=confirm).press("Enter")
    ada.expect_result(f"{confirm.removeprefix('Delete ')} deleted")


def expect_focus_in(ada: Dashboard, place: str) -> None:
    """Wait until the focus is in the last element of this selector, and stays there."""
    ada.page.wait_for_function(
        "place => [...document.querySelectorAll(place)].pop()?.contains(document.activeElement)",
        arg=place,
    )


def test_escape_closes_the_confirmation_from_inside_its_tables(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    done, running = host.add_run(), host.add_run(status="running")
    ada = tab().visit()
    ada.tick(done, running)
    for tab_name, column in (("The run", "Run"), ("Left out 1", "Run"), ("Tables", "Table")):
        ada.press("Delete 2")
        ada.dialog.get_by_role("tab", name=tab_name).click()
        ada.settle()
        ada.shown_in_dialog.focus(0, column)
        ada.page.keyboard.press("Escape")
        expect(ada.dialog).to_have_count(0)
        expect(ada.button("Delete 2")).to_be_enabled()


def test_after_a_deletion_the_focus_is_in_the_list_and_the_result_is_announced(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    ids = host.add_runs(4)
    ada = tab().visit()
    said = ada.page.get_by_role("status")
    delete_by_keyboard(ada, *ids[:2])
    expect(said.filter(has_text="2 runs deleted")).to_have_count(1)
    ada.expect_ids(ids[3], ids[2])
    expect_focus_in(ada, "[class*='st-key-grid-'] [data-testid='stDataFrame']")
    # Each result is said, and no older one once more.
    delete_by_keyboard(ada, ids[2])
    expect(said.filter(has_text="1 run deleted")).to_have_count(1)
    expect_focus_in(ada, "[class*='st-key-grid-'] [data-testid='stDataFrame']")
    # The last one takes the list with it: the focus is in what stands there.
    delete_by_keyboard(ada, ids[3])
    expect_focus_in(ada, ".st-key-empty")
    assert ada.complaints == []


def test_after_deleting_a_run_from_its_page_the_focus_is_on_the_way_back(
    tab: Callable[..., Dashboard], host: HostWriter
) -> None:
    run = host.add_run()
    ada = tab().visit("/run", id=run)
    ada.settle()
    ada.button("Delete this run").press("Enter")
    ada.dialog.get_by_role("button", name="Delete 1 run").press("Enter")
    expect(ada.page.get_by_role("status").filter(has_text="1 run deleted")).to_have_count(1)
    expect_focus_in(ada, ".st-key-top a")
