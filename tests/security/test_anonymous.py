"""Who is not signed in gets the sign-in page, health, the icon and the API's own answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.security.anonymous import BASE, attack_right_after_boot, attack_running
from tests.security.report import Report

if TYPE_CHECKING:
    from tests.security.target import Instance, Target

pytestmark = pytest.mark.xdist_group("security")


def test_no_address_answers_anybody_else(target: Target, instance: Instance) -> None:
    report = Report("anonymous")
    attack_running(target, instance, report, step=7)
    assert not report.broken, str(report)
    assert report.total >= 400


def test_no_address_answers_in_the_moment_after_the_start(target: Target) -> None:
    report = Report("anonymous, right after boot, below a path")
    target.stop(attack_right_after_boot(target, report, BASE))
    assert not report.broken, str(report)
    assert report.total >= 80
