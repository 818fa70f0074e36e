"""docs/deploy.md: its environment is one that the process starts with, also below a path."""

from __future__ import annotations

import json
import re
import secrets
import urllib.request
from typing import TYPE_CHECKING

import pytest

from runmanager.errors import SettingsError
from runmanager.settings import Settings
from tests.docs.reading import Document
from tests.processes import AppProcess, address

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts import HostWriter

PAGE = Document("docs/deploy.md")


def environment(block: str) -> dict[str, str]:
    """The variables of a block, but for the port, which is the test's own."""
    found = dict(line.split("=", 1) for line in block.splitlines())
    return {name: value for name, value in found.items() if name != "STREAMLIT_SERVER_PORT"}


MAIN = environment(PAGE.block("ini", "DATABASE_URL="))
IN_FILES = environment(PAGE.block("ini", "DATABASE_URL_FILE="))
CREDENTIALS = dict(
    line.removeprefix("LoadCredential=").split(":", 1)
    for line in PAGE.block("ini", "LoadCredential=").splitlines()
)
BELOW_A_PATH = environment(PAGE.block("ini", "BASE_URL_PATH"))


def test_what_is_to_be_replaced_is_refused_as_it_stands() -> None:
    # A key that stands in a document is no secret.
    for name in ("RUNMANAGER_COOKIE_KEY", "RUNMANAGER_JWT_SECRET"):
        keys = {"RUNMANAGER_COOKIE_KEY": "k" * 32} | {name: MAIN[name]}
        with pytest.raises(SettingsError, match=name):
            Settings.from_environment(MAIN | keys)


def test_every_secret_of_the_environment_may_stand_in_one_of_the_files() -> None:
    (commands,) = (block for block in PAGE.blocks("sh") if "install -d" in block)
    written = set(re.findall(r"> (\S+)$", commands, re.M))
    secrets_of_main = {name for name in MAIN if not name.startswith("STREAMLIT_")}
    assert CREDENTIALS.keys() == secrets_of_main
    assert {name.removesuffix("_FILE") for name in IN_FILES} == secrets_of_main
    assert set(CREDENTIALS.values()) == set(IN_FILES.values()) == written


def test_the_process_starts_with_this_environment_and_is_healthy_where_it_says(
    host: HostWriter, tmp_path: Path
) -> None:
    keys = {name: secrets.token_hex(32) for name, value in MAIN.items() if value == "…"}
    assert keys.keys() == {"RUNMANAGER_COOKIE_KEY", "RUNMANAGER_JWT_SECRET"}
    app = AppProcess(tmp_path / "log", MAIN | keys | {"DATABASE_URL": address(host.url)})
    try:
        app.ready()
        (health,) = re.findall(r"curl -s http://localhost:8501(\S+)", PAGE.text)
        with urllib.request.urlopen(f"{app.url}{health}", timeout=10) as answer:  # noqa: S310  # our own address
            said = answer.read().decode()
    finally:
        app.stop()
    assert f"`{said}`" in PAGE.text
    assert json.loads(said)["database"] is True


def test_below_a_path_it_serves_there(host: HostWriter, tmp_path: Path) -> None:
    keys = {"RUNMANAGER_COOKIE_KEY": secrets.token_hex(32)}
    settings = keys | BELOW_A_PATH | {"DATABASE_URL": address(host.url)}
    base = f"/{BELOW_A_PATH['STREAMLIT_SERVER_BASE_URL_PATH']}"
    assert f"location {base}/ {{" in PAGE.text
    app = AppProcess(tmp_path / "log", settings)
    try:
        app.ready(base)
        with urllib.request.urlopen(f"{app.url}{base}/", timeout=10) as answer:  # noqa: S310  # our own address
            assert answer.status == 200
            assert b"Streamlit" in answer.read()
    finally:
        app.stop()
