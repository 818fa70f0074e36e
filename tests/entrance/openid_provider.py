"""A real OpenID Connect provider: npm's oidc-provider, installed and started by the tests."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.npm import install
from tests.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

FOLDER = Path(__file__).with_name("provider")
# With characters that have to be encoded in a header.
CLIENT_ID, CLIENT_SECRET = "run-manager", "100% of the tests' own + no one else's: this"
START_SECONDS = 30


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
            [install(FOLDER), "provider.mjs", json.dumps(told)],
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
