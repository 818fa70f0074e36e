"""Every page begins with the gate, the ones that are added later too."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.pages.found import PAGES, page_files, without_gate

if TYPE_CHECKING:
    from pathlib import Path


def test_every_page_begins_with_the_gate() -> None:
    assert {"runs.py", "run.py"} <= {path.name for path in page_files()}
    assert without_gate() == []


@pytest.mark.parametrize(
    "source",
    [
        'import streamlit as st\n\nst.text("secret")\n',
        "import streamlit as st\n\nwith st.container():\n    st.text('secret')\n",
        (
            "from pages.parts.signin import require_admin\n\nprint('first')\n"
            "page_actor = require_admin()\n"
        ),
        "'''A page that draws nothing yet.'''\n",
    ],
    ids=["none", "a block", "too late", "empty"],
)
def test_a_page_that_is_added_without_its_gate_is_found(tmp_path: Path, source: str) -> None:
    folder = tmp_path / "pages"
    shutil.copytree(PAGES, folder)
    assert without_gate(folder) == []
    (folder / "planted.py").write_text(source, encoding="utf-8")
    assert without_gate(folder) == ["planted.py"]
