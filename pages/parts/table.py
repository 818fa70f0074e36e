"""The one read-only table: a row for each record, a column for each fact about it.

A column is made by ``words``, ``numbers``, ``sizes``, ``statuses``, ``pills``, ``times``,
``opener`` or ``new_tab``, and the table by ``draw``. Whatever the host wrote is a cell of plain
text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pandas as pd
import streamlit as st

from pages.parts import session, styles, text
from pages.parts import times as moments

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Hashable, Iterable, Sequence
    from datetime import datetime

    from runmanager.records import StatusKind

T = TypeVar("T")
Id = TypeVar("Id", bound="Hashable")

ROW_HEIGHT, SMALL_ROW = 35, 28
NOTHING = "—"


@dataclass(frozen=True)
class Column(Generic[T]):
    """One column: its heading, its cells for some rows, and how Streamlit is to draw them.

    A column with ``only_if_any`` is left out where every cell is empty.
    """

    heading: str
    cells: Callable[[Sequence[T]], pd.Series[Any] | list[Any]]
    configure: Callable[[Sequence[T]], Any]
    only_if_any: bool = False


@dataclass
class _Shown:
    """The ids of the rows in each table that can be clicked, by the table's key.

    A session keeps its callbacks for ever: one that held rows would keep every page ever shown.
    """

    ids: dict[str, tuple[Any, ...]] = field(default_factory=dict)


def words(
    heading: str,
    value: Callable[[T], str | None],
    *,
    width: int | None = None,
    at_right: bool = False,
    only_if_any: bool = False,
) -> Column[T]:
    """A column of text; a cell is empty where there is none."""
    config = st.column_config.TextColumn(
        heading, width=width, alignment="right" if at_right else None
    )

    def cells(rows: Sequence[T]) -> pd.Series[Any]:
        return pd.Series([value(row) or None for row in rows], dtype="str")

    return Column(heading, cells, lambda _rows: config, only_if_any)


def numbers(
    heading: str, value: Callable[[T], int | None], *, width: int | None = None
) -> Column[T]:
    """A column of whole numbers; a cell is empty where there is none."""
    config = st.column_config.NumberColumn(heading, width=width, format="localized")

    def cells(rows: Sequence[T]) -> pd.Series[Any]:
        return pd.Series([value(row) for row in rows], dtype="Int64")

    return Column(heading, cells, lambda _rows: config)


def sizes(heading: str, value: Callable[[T], int | None], *, width: int | None = None) -> Column[T]:
    """A column of bytes, in the unit that fits each; a cell is empty where none are known."""

    def words_of(row: T) -> str | None:
        size = value(row)
        return None if size is None else text.size(size)

    return words(heading, words_of, width=width, at_right=True)


def pills(
    heading: str,
    value: Callable[[T], str],
    colors: Callable[[Iterable[T]], dict[str, str]],
    *,
    width: int | None = None,
) -> Column[T]:
    """A column of short words, each in the colour that ``colors`` gives it for these rows."""

    def configure(rows: Sequence[T]) -> Any:
        known = colors(rows)
        return st.column_config.MultiselectColumn(
            heading, width=width, options=list(known), color=list(known.values())
        )

    return Column(heading, lambda rows: [[value(row)] for row in rows], configure)


def statuses(
    heading: str,
    value: Callable[[T], tuple[str | None, StatusKind]],
    *,
    width: int | None = None,
) -> Column[T]:
    """A column of statuses in the host's own words, each in the colour of its kind."""
    return pills(
        heading,
        lambda row: styles.status_word(*value(row)),
        lambda rows: styles.pill_colors(map(value, rows)),
        width=width,
    )


def times(
    heading: str, value: Callable[[T], datetime | None], *, milliseconds: bool = False
) -> Column[T]:
    """A column of times in the viewer's zone, which the heading names."""
    return Column(
        heading,
        lambda rows: moments.cells(value(row) for row in rows),
        lambda rows: moments.column(
            heading, [value(row) for row in rows], milliseconds=milliseconds
        ),
    )


def short_times(heading: str, value: Callable[[T], datetime | None]) -> Column[T]:
    """The same in little room."""
    return Column(
        heading,
        lambda rows: moments.cells(value(row) for row in rows),
        lambda rows: moments.short_column(heading, [value(row) for row in rows]),
    )


def opener(
    table_key: str,
    label: Callable[[T], str],
    id_of: Callable[[T], Id],
    open_it: Callable[[Id], None],
    *,
    heading: str = "Open",
    width: int = 64,
) -> Column[T]:
    """A column of buttons that call ``open_it`` with the id of their row.

    ``table_key`` is that of the table. ``open_it`` must not hold rows.
    """
    key = f"{table_key}-open"

    def cells(rows: Sequence[T]) -> list[str]:
        session.slot(_Shown).ids[key] = tuple(id_of(row) for row in rows)
        return [label(row) for row in rows]

    def configure(_rows: Sequence[T]) -> Any:
        return st.column_config.ButtonColumn(
            heading,
            width=width,
            type="tertiary",
            alignment="left",
            key=key,
            on_click=partial(_opened, key, open_it),
        )

    return Column(heading, cells, configure)


def new_tab(addresses: Callable[[Sequence[T]], list[str]]) -> Column[T]:
    """A column of links that open the page of each row in another tab of the browser."""
    return Column("Tab", addresses, lambda _rows: new_tab_config())


def new_tab_config(*, width: int = 44, pinned: bool | None = None) -> Any:
    """How a column of whole addresses is drawn: each as a small sign."""
    return st.column_config.LinkColumn(
        "Tab",
        width=width,
        display_text=":material/open_in_new:",
        help="Open in a new tab",
        pinned=pinned,
    )


def draw(
    rows: Sequence[T],
    columns: Iterable[Column[T]],
    *,
    key: str | None = None,
    most: int | None = None,
    row_height: int = ROW_HEIGHT,
    width: int | None = None,
) -> None:
    """Draw ``rows``: all of them, or so high that ``most`` lines are seen, the heading included."""
    frame, config = _made(rows, columns)
    st.dataframe(
        frame,
        key=key,
        hide_index=True,
        height=_height(rows, most, row_height),
        width=width or "stretch",
        row_height=row_height,
        placeholder=NOTHING,
        column_config=config,
    )


def draw_choice(
    rows: Sequence[T],
    columns: Iterable[Column[T]],
    *,
    key: str,
    most: int,
    id_of: Callable[[T], Id],
    chosen: Id | None,
    choose: Callable[[Id | None], None],
    row_height: int = ROW_HEIGHT,
) -> None:
    """Draw ``rows``, of which one can be ticked; the one with the id ``chosen`` is.

    ``choose`` is called with the id of the row that is ticked, or with None. It must not hold rows.
    """
    frame, config = _made(rows, columns)
    ids = tuple(id_of(row) for row in rows)
    # The browser keeps a tick by its position. Other rows make another table, with the tick where
    # the chosen row is now.
    key = f"{key}-{_digest(ids)}"
    session.slot(_Shown).ids[key] = ids
    ticked = [ids.index(chosen)] if chosen in ids else []
    st.dataframe(
        frame,
        key=key,
        hide_index=True,
        height=_height(rows, most, row_height),
        row_height=row_height,
        placeholder=NOTHING,
        on_select=partial(_chosen, key, choose),
        selection_mode="single-row",
        selection_default={"selection": {"rows": ticked}},
        column_config=config,
    )


def draw_choices(
    rows: Sequence[T],
    columns: Iterable[Column[T]],
    *,
    key: str,
    most: int,
    id_of: Callable[[T], Id],
    chosen: Container[Id],
    choose: Callable[[tuple[Id, ...], tuple[Id, ...]], None],
    row_height: int = SMALL_ROW,
) -> None:
    """Draw ``rows``, of which any can be ticked; those in ``chosen`` are at first.

    ``choose`` is called with the ids of all rows and of those that are ticked. It must not hold
    rows.
    """
    frame, config = _made(rows, columns)
    ids = tuple(id_of(row) for row in rows)
    key = f"{key}-{_digest(ids)}"
    session.slot(_Shown).ids[key] = ids
    st.dataframe(
        frame,
        key=key,
        hide_index=True,
        height=_height(rows, most, row_height),
        row_height=row_height,
        placeholder=NOTHING,
        on_select=partial(_several_chosen, key, choose),
        selection_mode="multi-row",
        selection_default={
            "selection": {"rows": [at for at, one in enumerate(ids) if one in chosen]}
        },
        column_config=config,
    )


def _digest(ids: tuple[Hashable, ...]) -> str:
    return hashlib.sha256(repr(ids).encode(errors="surrogatepass")).hexdigest()[:16]


def _made(rows: Sequence[T], columns: Iterable[Column[T]]) -> tuple[pd.DataFrame, dict[str, Any]]:
    made = [(column, column.cells(rows)) for column in columns]
    shown = [(one, cells) for one, cells in made if not one.only_if_any or any(pd.notna(cells))]
    return (
        pd.DataFrame({one.heading: cells for one, cells in shown}),
        {one.heading: one.configure(rows) for one, _cells in shown},
    )


def _height(rows: Sequence[T], most: int | None, row_height: int) -> Any:
    if most is None:
        return "content"
    return ROW_HEIGHT + (min(most, len(rows) + 1) - 1) * row_height + 3


def _chosen(key: str, choose: Callable[[Any], None]) -> None:
    event, ids = session.value(key), session.slot(_Shown).ids.get(key, ())
    rows = event["selection"]["rows"] if event else []  # type: ignore[index]  # no type for it
    choose(ids[rows[0]] if rows and rows[0] < len(ids) else None)


def _several_chosen(key: str, choose: Callable[[tuple[Any, ...], tuple[Any, ...]], None]) -> None:
    event, ids = session.value(key), session.slot(_Shown).ids.get(key, ())
    rows = event["selection"]["rows"] if event else []  # type: ignore[index]  # no type for it
    choose(ids, tuple(ids[row] for row in rows if row < len(ids)))


def _opened(key: str, open_it: Callable[[Any], None]) -> None:
    click, ids = session.value(key), session.slot(_Shown).ids.get(key, ())
    if click is not None:
        open_it(ids[click["row"]])  # type: ignore[index]  # no type for it
