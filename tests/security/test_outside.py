"""The process speaks with no other host, whatever it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.security.outside import attack
from tests.security.report import Report

if TYPE_CHECKING:
    from tests.security.target import Target

pytestmark = pytest.mark.xdist_group("security")


def test_no_other_host_is_ever_asked_for_anything(target: Target) -> None:
    report = Report("outside")
    attack(target, report)
    assert not report.broken, str(report)
