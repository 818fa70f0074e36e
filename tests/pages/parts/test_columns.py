"""The columns' words, as an address or the store has them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pages.parts.columns import COLUMNS, DEFAULT, read_words


@given(st.lists(st.sampled_from(DEFAULT), unique=True).map(tuple))
def test_columns_come_back_from_their_own_words(columns: tuple[str, ...]) -> None:
    assert read_words(",".join(columns)) == columns


@given(st.text() | st.lists(st.sampled_from([*DEFAULT, "", " id ", "select"])).map(",".join))
def test_any_words_give_columns_that_there_are_each_once(text: str) -> None:
    found = read_words(text)
    assert len(set(found)) == len(found)
    assert set(found) <= set(COLUMNS)
