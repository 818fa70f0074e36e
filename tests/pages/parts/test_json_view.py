"""JSON documents: a tree where it shows what is stored, else the exact text."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from pages.parts.json_view import indented
from runmanager.records import JsonText


def drawn(text: str) -> tuple[list[str], list[str]]:
    """What the page shows of a document: as trees, and as text."""

    def script(text: str) -> None:
        from pages.parts.json_view import draw_json
        from runmanager.records import JsonText

        draw_json("Metadata", JsonText(text, len(text)))

    app = AppTest.from_function(script, kwargs={"text": text}).run()
    assert not app.exception
    return [one.value for one in app.json], [one.value for one in app.code]


@pytest.mark.parametrize(
    "document",
    [
        '{"a": 1, "b": [-1.5, 0.1, 1.0, 1e5, 1e-7, 9007199254740992, 0]}',
        "[]",
        '{"text": "9007199254740993", "é": null, "t": true}',
        "[1e21, 100000000000000000000, 1.10, -0]",
    ],
)
def test_a_document_whose_numbers_a_browser_keeps_is_a_tree(document: str) -> None:
    trees, texts = drawn(document)
    assert texts == []
    assert [json.loads(one) for one in trees] == [json.loads(document)]


@pytest.mark.parametrize(
    "value",
    [
        "1234567890123456789",
        "9007199254740993",
        "-9007199254740993",
        "1e400",
        "-1e400",
        "1e-400",
        "1e99999999999999999999",
        "0.1000000000000000055",
        "1" * 5_000,
        "1" + "0" * 400,
        "NaN",
        "Infinity",
        '{"a": 1, "a": 2}',
        '{"__proto__": 1}',
    ],
    ids=lambda value: value[:24],
)
def test_what_a_browser_would_alter_is_shown_as_exact_text(value: str) -> None:
    trees, texts = drawn('{"before": 1, "list": [{"value": ' + value + "}]}")
    assert trees == []
    assert len(texts) == 1
    assert re.sub(r"\s", "", value) in re.sub(r"\s", "", texts[0])


def test_the_text_has_a_line_for_each_value() -> None:
    assert indented('{"n": 1e400,"a":[{},[ ],"}, {"],"b":{"c": null}}') == (
        '{\n  "n": 1e400,\n  "a": [\n    {},\n    [],\n    "}, {"\n  ],\n'
        '  "b": {\n    "c": null\n  }\n}'
    )


@pytest.mark.parametrize(
    "text", ["{broken", "plain words", '"a string"', "12", "null", "[" * 9_999]
)
def test_what_is_no_object_and_no_list_is_shown_as_it_is(text: str) -> None:
    assert drawn(text) == ([], [text])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values, st.sampled_from([None, 1]), st.booleans())
def test_only_the_space_between_values_changes(
    value: Any, indent: int | None, ascii_only: bool
) -> None:
    document = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    shown = indented(document)
    assert json.loads(shown) == json.loads(document)
    assert indented(shown) == shown


def test_a_deep_document_does_not_grow_by_a_multiple() -> None:
    document = JsonText("[" * 900 + ",".join("1" * 10_000) + "]" * 900, 0).text
    assert len(indented(document)) < 50 * len(document)
