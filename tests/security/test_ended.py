"""A sign-in that has ended is over everywhere, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.security.ended import attack, attack_after_restart
from tests.security.report import Report

if TYPE_CHECKING:
    from tests.security.target import Instance, Target

pytestmark = pytest.mark.xdist_group("security")


@pytest.mark.parametrize("change", ["demotion", "sign-out everywhere"])
def test_nothing_can_be_done_with_a_sign_in_that_has_ended(
    target: Target, instance: Instance, other_instance: Instance, change: str
) -> None:
    report = Report("ended")
    admin = attack(target, instance, other_instance, change, report)
    attack_after_restart({change: admin}, other_instance, report)
    assert not report.broken, str(report)
