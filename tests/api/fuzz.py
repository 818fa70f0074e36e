"""Thousands of generated requests against the real process: ``make fuzz``.

Each seed makes 3,000 cases or more out of ``openapi.json``: no answer may be a 5xx, none may differ
from the schema, and every Allow must be right.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from runmanager.demo.postgres import EmbeddedPostgres
from tests.api.conftest import SECRET, token
from tests.api.live import Live, live
from tests.conftest import Server
from tests.hosts import SHAPES, HostWriter, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = (1, 2, 3)
EXAMPLES = 350  # for each of the operations, besides those that every seed has
CASES = 3000
SECONDS = 900


@dataclass(frozen=True)
class Fuzzed:
    """What one seed found."""

    output: str
    code: int

    @property
    def cases(self) -> int:
        """How many requests were made."""
        found = re.search(r"([\d,]+) generated", self.output)
        return int(found[1].replace(",", "")) if found else 0


def fuzz(
    running: Live, authorization: str, *options: str, seed: int, examples: int, phases: str
) -> Fuzzed:
    """Send what ``seed`` makes to the process, and return what came of it."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--no-color", "run",
        f"{running.api}/openapi.json", "--url", running.api,
        "--header", f"Authorization: Bearer {authorization}",
        "--seed", str(seed), "--max-examples", str(examples), "--phases", phases,
        "--workers", "2", "--request-timeout", "30", "--continue-on-failure",
        "--generation-database", "none", "--suppress-health-check", "all", "--warnings", "off",
        *options,
    ]  # fmt: skip
    # Parameters that exclude each other, and times: a schema of parameters cannot say so. No more
    # can it say which plans and operations there are, and what can be asked of them by then.
    (running.log.parent / "schemathesis.toml").write_text(
        "".join(
            f'[[operations]]\ninclude-name = "{name}"\n'
            "[operations.checks.positive_data_acceptance]\nenabled = false\n"
            for name in ("GET /runs", "GET /statuses", "GET /histogram", "POST /deletion-plan")
        )
    )
    done = subprocess.run(  # noqa: S603  our own arguments
        command, cwd=running.log.parent, capture_output=True, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip
    return Fuzzed(done.stdout + done.stderr, done.returncode)


def prepare(host: HostWriter) -> str:
    """Fill the host with what the schema's examples name, and return an admin's token."""
    for run in ("0198c0de-7f3a-7c1e", "0", "%", "a/b"):
        host.add_run(run, user="kate", workspace="Ops", metadata='{"tags": []}')
        host.add_traces(run, checkpoints=3, writes=2, blobs=3, logs=5)
    host.add_runs(20, user="ada", workspace="Sales")
    for hours, status in enumerate(("failed", "running", "Paused", None, "", "Something else")):
        began = datetime.now(UTC) - timedelta(hours=hours)
        ended = began + timedelta(minutes=7)
        host.add_run(
            status=status, created_at=began, completed_at=ended, error_message="TimeoutError: 30 s"
        )
    return token(host.admin.user_id, exp=int(time.time()) + 7200)


@contextmanager
def _host(directory: Path) -> Iterator[HostWriter]:
    server = Server(EmbeddedPostgres(directory / "postgres").start())
    shape = SHAPES[0]
    url = server.url(server.create(shape), shape)
    with connect(url) as connection:
        yield HostWriter(shape, url, connection)
    server.close()


def main() -> int:
    """Every seed in turn; 0 where none found anything."""
    failed = False
    with tempfile.TemporaryDirectory() as name, _host(Path(name)) as host:
        authorization = prepare(host)
        with live(host.url, Path(name), RUNMANAGER_JWT_SECRET=SECRET) as running:
            for seed in SEEDS:
                began = time.monotonic()
                found = fuzz(
                    running, authorization, seed=seed, examples=EXAMPLES,
                    phases="examples,coverage,fuzzing,stateful",
                )  # fmt: skip
                failed = failed or found.code != 0 or found.cases < CASES
                seconds = time.monotonic() - began
                sys.stdout.write(f"{found.output if found.code else ''}\n")
                sys.stdout.write(f"seed {seed}: {found.cases} cases in {seconds:.0f} s, ")
                sys.stdout.write("something found\n" if found.code else "nothing found\n")
                sys.stdout.flush()
            unexpected = running.log.read_text().count("ended unexpectedly")
            sys.stdout.write(f"requests that ended unexpectedly, by the log: {unexpected}\n")
    return int(failed or unexpected > 0)


if __name__ == "__main__":
    # An end from outside still ends what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
