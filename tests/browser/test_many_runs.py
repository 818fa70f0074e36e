"""More runs than are counted, of more users than a list shows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.dashboard import Dashboard
    from tests.hosts import HostWriter

# 3,000 users with four runs each.
RUNS = 12_000
FILL = """
    INSERT INTO users (id, username)
    SELECT 'u-' || n, 'user ' || lpad(n::text, 4, '0') FROM generate_series(0, 2999) n;
    INSERT INTO run_metadata (thread_id, run_name, status, created_at, user_id)
    SELECT 'run-' || lpad(n::text, 5, '0'), 'Order ' || n, 'completed',
           timestamptz '2025-06-01' - n * interval '1 minute', 'u-' || n % 3000
    FROM generate_series(0, 11999) n;
    CREATE INDEX ON run_metadata (created_at DESC);
    CREATE INDEX ON run_metadata (user_id);
    ANALYZE run_metadata;
"""


@pytest.fixture(autouse=True)
def many(host: HostWriter) -> None:
    host.execute(FILL)


def numbered(*numbers: int) -> list[str]:
    return [f"run-{number:05}" for number in numbers]


def test_pages_go_step_by_step_until_all_are_counted(tab: Callable[..., Dashboard]) -> None:
    ada = tab().visit("/", page_size="10")
    ada.expect_total("about 12,000 runs")
    ada.expect_ids(*numbered(*range(10)))
    ada.press("Next")
    ada.expect_ids(*numbered(*range(10, 20)))
    assert ada.query == {"page": "2", "page_size": "10"}
    ada.tick(*numbered(12))
    ada.press("Last")
    ada.expect_ids(*numbered(*range(RUNS - 10, RUNS)))
    expect(ada.area("footer")).to_have_text("the last 10 of about 12,000")
    expect(ada.button("Next")).to_be_disabled()
    assert ada.query == {"page": "last", "page_size": "10"}
    ada.press("Previous")
    ada.expect_ids(*numbered(*range(RUNS - 20, RUNS - 10)))
    expect(ada.button("Delete 1")).to_be_enabled()
    ada.press("Count exactly")
    ada.expect_total("12,000 runs")
    ada.press("Refresh")
    ada.expect_total("about 12,000 runs")
    assert ada.complaints == []


def test_one_of_thousands_of_users_is_found_by_typing(tab: Callable[..., Dashboard]) -> None:
    ada = tab().visit()
    ada.expect_total("about 12,000 runs")
    ada.settle()
    box = ada.page.get_by_test_id("stSidebar").get_by_role("combobox", name="User")
    box.click()
    # Only those in view are drawn.
    assert 0 < ada.page.get_by_role("option").count() < 100
    box.press_sequentially("2741")
    ada.page.get_by_role("option", name="user 2741", exact=True).click()
    ada.expect_ids(*numbered(2741, 5741, 8741, 11741))
    assert ada.query == {"username": "user 2741"}
