"""The same generated requests each time, against the real process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api.conftest import SECRET
from tests.api.fuzz import fuzz, prepare
from tests.api.live import live

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts import HostWriter


def test_no_generated_request_gets_a_wrong_answer(host: HostWriter, tmp_path: Path) -> None:
    authorization = prepare(host)
    with live(host.url, tmp_path, RUNMANAGER_JWT_SECRET=SECRET) as running:
        found = fuzz(
            running, authorization,
            "--exclude-path", "/token",  # a third of a second each: `make fuzz` has the time
            seed=7, examples=3, phases="coverage,fuzzing",
        )  # fmt: skip
        assert found.code == 0, found.output
        assert found.cases > 250
        assert "ended unexpectedly" not in running.log.read_text()
