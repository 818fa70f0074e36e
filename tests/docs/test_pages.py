"""The documents hold: what they link to, run, set and name is there."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache

import pytest

import app
from runmanager.settings import Settings
from tests.docs.reading import DOCUMENTS, Document
from tests.processes import ROOT

every_document = pytest.mark.parametrize("name", DOCUMENTS)
# The changelog names what is gone as well.
every_page = pytest.mark.parametrize("name", [one for one in DOCUMENTS if one != "CHANGELOG.md"])


def test_the_readme_is_short() -> None:
    assert len(Document("README.md").text.splitlines()) <= 120


def test_the_readme_leads_to_every_page() -> None:
    text = Document("README.md").text
    pages = (*DOCUMENTS, "docs/screenshot.png")
    others = [name for name in pages if name != "README.md" and not name.startswith("docs/hosts/")]
    assert [name for name in others if f"]({name})" not in text] == []


def test_the_page_on_own_databases_leads_to_every_page_on_a_host() -> None:
    assert "](hosts/README.md)" in Document("docs/own-database.md").text
    text = Document("docs/hosts/README.md").text
    pages = [name.removeprefix("docs/hosts/") for name in DOCUMENTS if "docs/hosts/" in name]
    assert [name for name in pages if name != "README.md" and f"]({name})" not in text] == []


@every_document
def test_every_relative_link_leads_somewhere(name: str) -> None:
    page = Document(name)
    for link in re.findall(r"\]\(([^)\s]+)\)", page.prose):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        if anchor:
            assert anchor in Document(str(target.resolve().relative_to(ROOT))).anchors, link


@every_page
def test_every_make_target_that_is_named_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    text = Document(name).text
    named = re.findall(r"(?:^|`)make ((?:[a-z]+ ?)+)", text, re.M)
    assert {target for words in named for target in words.split()} <= targets


@every_page
def test_every_module_that_is_run_exists(name: str) -> None:
    # A module with its first word, which is one of its commands or a file.
    for module, word in re.findall(r"python3? -m ([\w.]+)(?: ([\w/.]+))?", Document(name).text):
        assert importlib.util.find_spec(module) is not None, module
        if module == "runmanager" and word:
            source = (ROOT / "runmanager" / "__main__.py").read_text()
            assert f'"{word}"' in source, word
        if module == "pytest" and word:
            assert (ROOT / word).exists(), word


@every_page
def test_every_variable_that_is_named_is_read_somewhere(name: str) -> None:
    fields = [one.metadata for one in Settings.__dataclass_fields__.values()]
    settings = {one["env"] for one in fields}
    settings |= {f"{one['env']}_FILE" for one in fields if one["may_be_file"]}
    others = {"RUNMANAGER_PG_BINDIR", "RUNMANAGER_CHROMIUM"}
    named = set(
        re.findall(r"\b(?:RUNMANAGER|STREAMLIT|DATABASE)_[A-Z_]*[A-Z]\b", Document(name).text)
    )
    assert named <= settings | others | app._WHERE_TO_LISTEN.keys()
    for variable in others & named:
        sources = [*(ROOT / "runmanager").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
        assert any(f'"{variable}"' in path.read_text() for path in sources), variable


@every_page
def test_every_path_that_is_named_exists(name: str) -> None:
    # What is made, and the path of an address.
    others = (".venv/", ".demo", ".bench", "tools/rm")
    for path in re.findall(
        r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|md|txt|toml|lock))`", Document(name).prose
    ):
        inside = (ROOT / path).exists() or any(ROOT.glob(f"*/**/{path}"))
        assert inside or path.startswith(others), path


@cache
def classes() -> frozenset[str]:
    """All that there are."""
    return frozenset(
        node.name
        for folder in ("runmanager", "pages", "tests")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )


@every_page
def test_every_class_that_is_named_exists(name: str) -> None:
    named = re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", Document(name).prose)
    assert set(named) <= classes()


def test_what_is_checked_before_a_commit_is_what_make_check_checks() -> None:
    config = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"^ +(?:- )?(repo|entry|language): (.+)$", config, re.M) == [
        ("repo", "local"),
        ("entry", "make check"),
        ("language", "system"),
    ]
