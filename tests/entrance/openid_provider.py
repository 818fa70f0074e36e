"""A real OpenID Connect provider: npm's oidc-provider, installed and started by the tests."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

FOLDER = Path(__file__).with_name("provider")
# With characters that have to be encoded in a header.
CLIENT_ID, CLIENT_SECRET = "run-manager", "100% of the tests' own + no one else's: this"
START_SECONDS = 30
WHAT_TO_DO = (
    "No Node.js with npm: install both (Debian: apt install nodejs npm). The tests of single "
    "sign-on start a real provider, oidc-provider, which runs on it."
)


def install() -> str:
    """The program that runs the provider, once what it needs is beside it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.fail(WHAT_TO_DO)
    lock = FOLDER / "package-lock.json"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = FOLDER / "node_modules" / ".installed"
    # Several workers may want it at once.
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(  # noqa: S603  the program that was found, on our own file
                command, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False
            )
            if done.returncode:
                pytest.fail(f"npm cannot install the provider of the tests:\n{done.stderr}")
            stamp.write_text(wanted)
    return node


@dataclass
class RealProvider:
    """A provider on a port of its own, with one client: the Run Manager at ``url``."""

    accounts: Mapping[str, Mapping[str, Any]]
    has_thin_id_tokens: bool = True
    ends_by_session: bool = True
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def issuer(self) -> str:
        """Its address. It is another site than localhost, as a provider is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """What Run Manager is told of it."""
        return {
            "oidc_issuer": self.issuer,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": CLIENT_SECRET,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The same as variables."""
        return {f"RUNMANAGER_{name.upper()}": value for name, value in self.settings.items()}

    def start(self, url: str) -> RealProvider:
        """Start it for the Run Manager at ``url``, and wait until it answers."""
        told = {
            "issuer": self.issuer,
            "port": self.port,
            "accounts": self.accounts,
            "has_thin_id_tokens": self.has_thin_id_tokens,
            "client": {
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
                "redirect_uris": [f"{url}/sign-in/openid/back"],
                "post_logout_redirect_uris": [f"{url}/"],
                "backchannel_logout_uri": f"{url}/sign-out/openid",
                "backchannel_logout_session_required": self.ends_by_session,
            },
        }
        self._process = subprocess.Popen(  # noqa: S603  our own program
            [install(), "provider.mjs", json.dumps(told)],
            cwd=FOLDER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, "the provider has ended"
            assert time.monotonic() < deadline, "the provider does not answer"
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> RealProvider:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _answers(self) -> bool:
        address = f"{self.issuer}/.well-known/openid-configuration"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310  # our own address
                return bool(answer.status == 200)
        except OSError:
            return False
