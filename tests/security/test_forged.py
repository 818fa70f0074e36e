"""No forged cookie and no forged token lets anybody in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.security.forged import attack
from tests.security.report import Report

if TYPE_CHECKING:
    from tests.security.target import Instance, Target

pytestmark = pytest.mark.xdist_group("security")


def test_nothing_forged_is_accepted_or_writes_a_traceback(
    target: Target, instance: Instance
) -> None:
    report = Report("forged")
    attack(target, instance, report, step=5)
    assert not report.broken, str(report)
    assert report.total >= 60
