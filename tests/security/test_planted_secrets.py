"""No secret is seen in an answer, a page, the log, the store or the list of processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.security.planted_secrets import attack
from tests.security.report import Report
from tests.security.target import target_on

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Server

pytestmark = pytest.mark.xdist_group("security")


def test_no_secret_is_seen_when_things_go_wrong(server: Server, tmp_path: Path) -> None:
    report = Report("planted secrets")
    # A host and a store of its own: its keys are none that the other tests' sign-ins were made by.
    target = target_on(server, tmp_path)
    try:
        attack(target, report, calls=60, widgets=15, starts=2)
    finally:
        target.close()
    assert not report.broken, str(report)
