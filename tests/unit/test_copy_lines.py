"""Fields of a line as COPY writes them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runmanager.archive.copy_lines import fields_of, line_of, read_field, write_field

texts = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.lists(texts, min_size=1))
def test_what_is_written_is_read_as_it_was(values: list[str | None]) -> None:
    line = line_of([write_field(value) for value in values])
    assert line.count(b"\n") == 1
    assert [read_field(field) for field in fields_of(line)] == values


def test_a_null_is_no_text_and_a_text_is_no_null() -> None:
    assert write_field(None) == b"\\N"
    assert write_field("\\N") == b"\\\\N"
    assert read_field(b"\\\\N") == "\\N"
