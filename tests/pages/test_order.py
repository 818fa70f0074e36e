"""The runs page: the order of the whole list, and what is said where it cannot be had."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pages.parts import session
from runmanager.queries.listing.limits import Limits
from tests.pages.conftest import Visitor

if TYPE_CHECKING:
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
NAMES = ("Delta", "alpha", "Charlie", "bravo")


@pytest.fixture
def named(host: HostWriter) -> dict[str, str]:
    """Runs by name, the newest first, each shorter than the last."""
    return {
        name: host.add_run(
            name=name,
            created_at=NOON - timedelta(minutes=number),
            completed_at=NOON + timedelta(minutes=number),
            user="kate" if number % 2 else "tom",
            status=("failed", "completed")[number % 2],
        )
        for number, name in enumerate(NAMES)
    }


def names(visitor: Visitor) -> list[str]:
    return list(visitor.grid["name"])


def test_the_menu_offers_every_order_and_names_the_present_one(
    ada: Visitor, named: dict[str, str]
) -> None:
    menu = ada.at().app.menu_button(key="sort")
    assert menu.label == "Newest first"
    assert menu.options == [
        *("Newest first", "Oldest first", "Longest first", "Shortest first"),
        *("Name, A to Z", "Name, Z to A", "User, A to Z", "User, Z to A"),
        *("Status, A to Z", "Status, Z to A", "Largest first", "Smallest first"),
    ]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("started", ["bravo", "Charlie", "alpha", "Delta"]),
        ("-took", ["bravo", "Charlie", "alpha", "Delta"]),
        ("took", ["Delta", "alpha", "Charlie", "bravo"]),
        ("user", ["alpha", "bravo", "Delta", "Charlie"]),
        ("-user", ["Delta", "Charlie", "alpha", "bravo"]),
        ("status", ["alpha", "bravo", "Delta", "Charlie"]),
    ],
)
def test_a_choice_sorts_the_whole_list_and_goes_into_the_address(
    ada: Visitor, named: dict[str, str], chosen: str, expected: list[str]
) -> None:
    ada.at(page="2", page_size="2").app.menu_button(key="sort").click(chosen)
    assert names(ada.look()) == expected[:2]
    assert ada.app.query_params == {"sort": chosen, "page_size": "2"}
    assert ada.drawn == {"list", "head", "controls"}
    assert names(ada.at(sort=chosen, page="2", page_size="2")) == expected[2:]
    assert ada.app.menu_button(key="sort").label != "Newest first"
    ada.app.menu_button(key="sort").click("-started")
    assert names(ada.look()) == list(NAMES[:2])
    assert ada.app.query_params == {"page_size": "2"}


def test_pages_of_a_sorted_list_follow_each_other(ada: Visitor, named: dict[str, str]) -> None:
    ada.at(sort="-took", page_size="1")
    seen = [*names(ada)]
    for page in (2, 3, 4):
        ada.app.pagination(key="page_number").select(page)
        seen += names(ada.look())
    assert seen == ["bravo", "Charlie", "alpha", "Delta"]
    assert "4 of 4" in ada.texts


@pytest.fixture
def impatient(host: HostWriter, open_manager: OpenManager) -> Visitor:
    """The admin where more than three runs are too many to be sorted by name."""
    manager = open_manager(limits=Limits(gather_to=3))
    session.provide(manager)
    return Visitor(manager).signed_in_as("ada")


def test_too_many_to_sort_says_why_and_shows_the_newest_first(
    impatient: Visitor, host: HostWriter, named: dict[str, str]
) -> None:
    host.execute("ANALYZE")
    ada = impatient.at()
    ada.app.menu_button(key="sort").click("name")
    assert names(ada.look()) == list(NAMES)
    (notice,) = ada.notices
    assert "can be sorted by name" in notice
    assert notice.endswith("Shown newest first.")
    assert ada.app.menu_button(key="sort").label == "Newest first"
    # The link still asks for it; and as soon as few enough match, they are in that order.
    assert ada.app.query_params == {"sort": "name"}
    ada.look().app.selectbox(key="username_filter").select_index(0)
    assert names(ada.look()) == ["alpha", "bravo"]
    assert ada.notices == []
    assert ada.app.menu_button(key="sort").label == "Name, A to Z"
    assert names(ada.press("chip-username")) == list(NAMES)
    assert len(ada.notices) == 1


def test_a_tick_in_a_list_that_is_too_long_to_sort_asks_nothing(
    impatient: Visitor, host: HostWriter, named: dict[str, str]
) -> None:
    host.execute("ANALYZE")
    ada = impatient.at(sort="name")
    grid = ada.app.data_editor[0].proto.id
    with ada.only("list"):
        ada.tick(named["alpha"])
    assert ada.selection == {named["alpha"]}
    assert ada.app.data_editor[0].proto.id == grid
