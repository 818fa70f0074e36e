"""The runs page: which columns are shown, in which order, and for whom that is kept."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from pages.parts.columns import COLUMNS
from runmanager.store.sqlite import FILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.hosts import HostWriter
    from tests.pages.conftest import Visitor

ALL = ["select", *COLUMNS]


@pytest.fixture(autouse=True)
def run(host: HostWriter) -> str:
    """A run, so that there is a grid."""
    return host.add_run("r1")


def columns(visitor: Visitor) -> list[str]:
    return list(visitor.grid.columns)


def choose(visitor: Visitor, *words: str) -> Visitor:
    """Choose these columns in the menu."""
    visitor.app.multiselect(key="columns_shown").set_value(list(words))
    return visitor.look()


def test_all_of_them_are_there_at_first(ada: Visitor) -> None:
    assert columns(ada.at()) == ALL
    assert "columns" not in ada.app.query_params
    assert ada.app.multiselect(key="columns_shown").value == list(COLUMNS)


def test_those_that_are_chosen_are_shown_in_their_order_and_in_the_address(ada: Visitor) -> None:
    choose(ada.at(page_size="10"), "name", "error", "status")
    assert columns(ada) == ["select", "name", "error", "status"]
    assert ada.app.query_params == {"page_size": "10", "columns": "name,error,status"}
    assert ada.drawn == {"list"}
    assert columns(ada.look()) == ["select", "name", "error", "status"]


def test_a_choice_of_columns_keeps_the_selection_and_the_page(
    ada: Visitor, host: HostWriter
) -> None:
    host.add_run("r2", created_at=None)
    choose(ada.at(page_size="1", page="2").tick("r2"), "id")
    assert (ada.rows, ada.selection) == (["r2"], {"r2"})
    assert list(ada.grid["select"]) == [True]


def test_a_link_shows_the_columns_that_its_sender_saw(
    ada: Visitor, visitor: Callable[..., Visitor]
) -> None:
    choose(ada.at(), "id", "name")
    ada.at(columns="status,took")
    assert columns(ada) == ["select", "status", "took"]
    # What a link shows is not what was chosen.
    assert columns(visitor().signed_in_as("ada").at()) == ["select", "id", "name"]


def test_they_are_kept_for_the_admin_who_chose_them_in_any_session(
    ada: Visitor, visitor: Callable[..., Visitor], host: HostWriter
) -> None:
    host.add_user("grace", is_admin=True)
    choose(ada.at(), "workspace", "name")
    assert columns(visitor().signed_in_as("ada").at()) == ["select", "workspace", "name"]
    assert columns(visitor().signed_in_as("grace").at()) == ALL


def test_all_of_them_come_back_as_at_first(ada: Visitor, visitor: Callable[..., Visitor]) -> None:
    choose(ada.at(), "name", "id").look().press("columns_reset")
    assert columns(ada) == ALL
    assert columns(visitor().signed_in_as("ada").at()) == ALL


def test_who_chooses_none_sees_all(ada: Visitor) -> None:
    assert columns(choose(ada.at())) == ALL


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("name,,name, id ,*odd*", ["select", "name", "id"]),
        ("odd", ALL),
        ("select", ALL),
        ("size", ALL),
        ("x" * 5_000, ALL),
    ],
    ids=lambda value: str(value)[:20],
)
def test_words_that_are_no_columns_are_passed_over(
    ada: Visitor, words: str, shown: list[str]
) -> None:
    assert columns(ada.at(columns=words)) == shown


def test_sorted_by_size_the_list_shows_sizes(ada: Visitor) -> None:
    assert "size" in columns(ada.at(sort="-size"))
    assert ada.grid.iloc[0]["size"].endswith(("bytes", "kB"))
    assert columns(ada.at(sort="-size", columns="name")) == ["select", "name", "size"]


def test_a_store_that_fails_leaves_the_page_as_it_is(
    ada: Visitor, visitor: Callable[..., Visitor], state_dir: Path
) -> None:
    ada.at()
    store = sqlite3.connect(state_dir / FILE)
    store.execute("DROP TABLE preferences")
    store.commit()
    store.close()
    assert columns(choose(ada, "name")) == ["select", "name"]
    assert columns(ada.look()) == ["select", "name"]
    assert ada.press("fold_histogram").chart is None
    other = visitor().signed_in_as("ada").at()
    assert columns(other) == ALL
    assert other.chart is not None
