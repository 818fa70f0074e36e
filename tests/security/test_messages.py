"""One message of a signed-in browser is answered by two script runs at the most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.security.messages import attack
from tests.security.report import Report

if TYPE_CHECKING:
    from tests.security.target import Instance, Target

pytestmark = pytest.mark.xdist_group("security")


def test_no_message_makes_the_page_run_again_and_again(target: Target, instance: Instance) -> None:
    report = Report("messages")
    attack(target, instance, report, step=12)
    assert not report.broken, str(report)
