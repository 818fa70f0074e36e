"""No hostile value makes the API fail, in a short form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.security.report import Report
from tests.security.values import attack

if TYPE_CHECKING:
    from tests.security.target import Instance, Target

pytestmark = pytest.mark.xdist_group("security")


def test_no_hostile_value_makes_the_api_fail(target: Target, instance: Instance) -> None:
    report = Report("values")
    attack(target, instance, report, step=13)
    assert not report.broken, str(report)
    assert report.total >= 400
