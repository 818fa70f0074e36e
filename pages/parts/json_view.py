"""A JSON document: as a tree where it is whole, as text where only its beginning was read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import text

if TYPE_CHECKING:
    from runmanager.records import JsonText

# The browser's tree is quick up to here; longer documents are shown as text that scrolls.
MAX_TREE = 200_000


def draw_json(heading: str, document: JsonText | None, *, expanded: int | bool = 2) -> None:
    """Draw ``document`` under ``heading``; nothing where there is none."""
    if document is None:
        return
    st.markdown(f"##### {heading}")
    if document.is_cut:
        st.caption(f"The first {text.size(len(document.text))} of {text.size(document.length)}.")
    value = _parsed(document)
    if value is None or document.length > MAX_TREE:
        st.code(document.text, language=None, height=320, wrap_lines=True)
    else:
        st.json(value, expanded=expanded)


def _parsed(document: JsonText) -> object | None:
    if document.is_cut:
        return None
    try:
        value: object = json.loads(document.text)
    except (ValueError, RecursionError):
        return None  # the host's column may be text that is no JSON
    return value if isinstance(value, dict | list) else None
