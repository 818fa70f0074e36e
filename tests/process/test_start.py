"""The process does not start where something is wrong, and says what."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.processes import COOKIE_KEY, AppProcess, settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts import HostWriter

SECRET = "s3cret-pa55"


def refused(log: Path, settings: dict[str, str]) -> str:
    """The one sentence with which the process refused to start."""
    app = AppProcess(log, settings)
    try:
        code = app.process.wait(60)
    except subprocess.TimeoutExpired:
        app.kill()
        pytest.fail(f"it started: {app.said}")
    assert code == 1, app.said
    # Streamlit greets before it asks the application whether it can start.
    said = [line for line in app.said.splitlines() if line.startswith("Run Manager: ")]
    assert len(said) == 1, app.said
    assert "Traceback" not in app.said
    assert SECRET not in app.said
    return said[0].removeprefix("Run Manager: ")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"DATABASE_URL": f"nonsense://kate:{SECRET}@db/host"},
            "DATABASE_URL is not the address of a PostgreSQL database",
        ),
        (
            {"DATABASE_URL": f"postgresql://kate:{SECRET}@localhost:1/host"},
            "Cannot start: the database cannot be reached.",
        ),
        (
            {
                "DATABASE_URL": f"postgresql://kate:{SECRET}@localhost/host",
                "RUNMANAGER_COOKIE_KEY": "short",
            },
            "RUNMANAGER_COOKIE_KEY must be a secret of 32 bytes or more",
        ),
        ({"STREAMLIT_SERVER_ADDRESS": "0.0.0.0"}, "The demo's passwords are public"),  # noqa: S104  it is refused
        ({"STREAMLIT_SERVER_PORT": "http"}, "STREAMLIT_SERVER_PORT must be a port number"),
    ],
    ids=["malformed", "away", "no key", "public demo", "port"],
)
def test_what_is_wrong_is_said_in_one_sentence(
    settings: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    key = {"RUNMANAGER_COOKIE_KEY": COOKIE_KEY, "RUNMANAGER_DEMO_DIR": str(tmp_path / "demo")}
    assert refused(tmp_path / "log", key | settings).startswith(sentence)


def test_a_table_that_is_missing_is_named(host: HostWriter, tmp_path: Path) -> None:
    host.execute("DROP TABLE users")
    assert "users" in refused(tmp_path / "log", settings_for(host.url))
