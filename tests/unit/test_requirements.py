"""The files of requirements agree: what is asked for, what is tested, and what users install."""

from __future__ import annotations

import re
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
ASKED_FOR = ("requirements.txt", "requirements-dev.txt")


def lines(file: str) -> list[str]:
    """The lines of a file of requirements, those that end in a backslash joined."""
    text = (ROOT / file).read_text(encoding="utf-8").replace("\\\n", " ")
    found = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [line for line in found if line]


def pins(file: str) -> list[Requirement]:
    """What a file names, each with its version and where it applies; options are left out."""
    asked = (line for line in lines(file) if not line.startswith("-"))
    return [Requirement(line.split("--hash=")[0].strip()) for line in asked]


def versions(file: str) -> set[tuple[str, str, str]]:
    """The names of a file, with their versions and where they apply."""
    return {
        (canonicalize_name(pin.name), str(pin.specifier), str(pin.marker or ""))
        for pin in pins(file)
    }


def closure(wanted: list[Requirement]) -> set[str]:
    """The names of what these packages need on this machine, as they say themselves."""
    found: set[tuple[str, str]] = set()
    open_ones = [
        (canonicalize_name(one.name), extra) for one in wanted for extra in ("", *one.extras)
    ]
    while open_ones:
        name, extra = open_ones.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for text in requires(name) or []:
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                open_ones += [(canonicalize_name(need.name), each) for each in ("", *need.extras)]
    return {name for name, _extra in found}


@pytest.mark.parametrize("file", ASKED_FOR)
def test_what_is_asked_for_is_tested_at_the_version_that_it_names(file: str) -> None:
    tested = {(name, version) for name, version, _where in versions("constraints.txt")}
    assert {(name, version) for name, version, _where in versions(file)} <= tested


@pytest.mark.parametrize("file", ASKED_FOR)
def test_every_requirement_has_its_reason(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    asked = [line for line in text.splitlines() if line and not line.startswith(("#", "-"))]
    assert [line for line in asked if not re.search(r"\S\s+# \S", line)] == []


def test_users_install_the_versions_that_were_tested() -> None:
    assert versions("requirements.lock") <= versions("constraints.txt")


def test_users_install_all_that_is_needed() -> None:
    locked = {name for name, _version, _where in versions("requirements.lock")}
    assert closure(pins("requirements.txt")) <= locked


def test_every_line_of_the_lock_has_hashes() -> None:
    for line in lines("requirements.lock"):
        assert re.fullmatch(r"[^=]+==\S+( ; .+?)?(\s+--hash=sha256:[0-9a-f]{64})+", line), line


@pytest.mark.parametrize("file", ["constraints.txt", "requirements.lock", *ASKED_FOR])
def test_no_file_names_where_packages_come_from(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert "://" not in text
    assert {line.split()[0] for line in lines(file) if line.startswith("-")} <= {"-c", "-r"}
