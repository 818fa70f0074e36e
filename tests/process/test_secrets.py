"""No secret is seen from outside the process: not in a command line, an environment or the log."""

from __future__ import annotations

import json
import secrets
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.passwords import set_password
from tests.processes import AppProcess, address

if TYPE_CHECKING:
    from tests.hosts import HostWriter

PROC = Path("/proc")
PASSWORD = "correct horse"
OTHERS = {
    "RUNMANAGER_OIDC_ISSUER": "http://127.0.0.1:9",
    "RUNMANAGER_OIDC_CLIENT_ID": "run-manager",
    "RUNMANAGER_PROXY_USER_HEADER": "X-Remote-User",
    "RUNMANAGER_TRUSTED_PROXIES": "127.0.0.1",
}


def given(way: str, texts: dict[str, str], folder: Path) -> dict[str, str]:
    """The environment of a process that gets these secrets in one of the ways there are."""
    if way == "variables":
        return texts
    for env, text in texts.items():
        (folder / env).write_text(text, encoding="utf-8")
        (folder / env).chmod(0o600)
    if way == "credentials":
        return {"CREDENTIALS_DIRECTORY": str(folder)}
    return {f"{env}_FILE": str(folder / env) for env in texts}


def read(path: Path) -> str:
    """What a file says of a process; nothing where the process has just ended."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


@pytest.mark.skipif(not PROC.is_dir(), reason="there is no /proc here")
@pytest.mark.parametrize("way", ["variables", "files", "credentials"])
def test_no_secret_is_seen_from_outside(host: HostWriter, tmp_path: Path, way: str) -> None:
    set_password(host, "ada", PASSWORD)
    planted = [secrets.token_hex(32) for _ in range(7)]
    password, cookie, old_cookie, token, old_token, client, proxy = planted
    texts = {
        "DATABASE_URL": address(host.url.set(password=password)),
        "RUNMANAGER_COOKIE_KEY": f"{cookie}\n{old_cookie}",
        "RUNMANAGER_JWT_SECRET": f"{token},{old_token}",
        "RUNMANAGER_OIDC_CLIENT_SECRET": client,
        "RUNMANAGER_PROXY_SECRET": proxy,
    }
    state = {"RUNMANAGER_STATE_DIR": str(tmp_path / "state")}
    app = AppProcess(tmp_path / "log", OTHERS | state | given(way, texts, tmp_path))
    try:
        app.ready()
        form = urllib.parse.urlencode({"username": "ada", "password": PASSWORD}).encode()
        door = f"{app.url}/admin/run-manager/token"
        with urllib.request.urlopen(door, form, timeout=10) as answer:  # noqa: S310  # our own address
            assert json.load(answer)["access_token"]
        seen = {
            "a command line": "".join(map(read, PROC.glob("[0-9]*/cmdline"))),
            "its environment": read(PROC / str(app.process.pid) / "environ"),
        }
    finally:
        app.stop()
    seen["its log"] = app.said
    assert "app.py" in seen["a command line"]
    assert "RUNMANAGER_OIDC_ISSUER" in seen["its environment"]
    if way == "variables":
        assert password in seen.pop("its environment")
    for where, text in seen.items():
        assert not [one for one in planted if one in text], where
