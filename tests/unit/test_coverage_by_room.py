"""What the tests reach is added up by room."""

from __future__ import annotations

from tests.coverage_by_room import as_table, by_room

FILES = {
    "app.py": (90, 80),
    "pages/runs.py": (100, 99),
    "pages/parts/text.py": (40, 40),
    "runmanager/queries/run/logs.py": (30, 15),
    "runmanager/queries/run/detail.py": (10, 10),
    "runmanager/queries/__init__.py": (0, 0),
}


def test_a_room_is_a_folder_and_empty_ones_are_left_out() -> None:
    assert by_room(FILES) == {
        "app.py": (90, 80),
        "pages/": (100, 99),
        "pages/parts/": (40, 40),
        "runmanager/queries/run/": (40, 25),
    }


def test_the_table_rounds_down_and_ends_with_all() -> None:
    lines = as_table({"pages/": (3000, 2999), "app.py": (3, 3)}).splitlines()
    assert [line.split() for line in lines] == [
        ["room", "lines", "reached"],
        ["pages/", "3000", "2999", "99.9", "%"],
        ["app.py", "3", "3", "100.0", "%"],
        ["all", "3003", "3002", "99.9", "%"],
    ]
