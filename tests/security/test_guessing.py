"""A guess costs the same for every name, and one has to wait from the sixth on.

How long a guess takes is measured by ``python -m tests.security.guessing``, never asserted here:
here it is asserted that the same work is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import bcrypt
import pytest

from pages.passwords import is_password
from runmanager.errors import WrongPasswordError
from runmanager.service import RunManager
from runmanager.settings import Settings
from tests.hosts import PASSWORD
from tests.security.guessing import attack_one_name
from tests.security.report import Report

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts import HostWriter
    from tests.security.target import Target

pytestmark = pytest.mark.xdist_group("security")


@pytest.mark.parametrize("cost", [4, 10])
def test_a_guess_does_the_same_work_for_every_name(
    host: HostWriter, state_dir: Path, cost: int
) -> None:
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(cost)).decode()
    for number in range(3):
        host.add_user(f"admin {number}", is_admin=True)
    host.execute("UPDATE users SET password_hash = %s", hashed)
    costs: list[int] = []

    def noted(password: str, known: str) -> bool:
        costs.append(int(known[4:6]))
        return is_password(password, known)

    settings = Settings(state_dir=state_dir, cookie_keys=("a key of the tests, 32 bytes or more",))
    manager = RunManager.open(host.url, settings, noted)
    try:
        for name in ("ada", "admin 1", "nobody", "", "ada' OR 1=1", "admin 9"):
            with pytest.raises(WrongPasswordError):
                manager.signing_in.sign_in(name, "wrong")
    finally:
        manager.close()
    assert costs == [cost] * 6


def test_the_sixth_guess_has_to_wait_whichever_way_it_comes(target: Target) -> None:
    report = Report("guessing")
    instance = target.serve(RUNMANAGER_TRUSTED_PROXIES="127.0.0.1")
    try:
        attack_one_name(target, instance, report)
    finally:
        target.stop(instance)
    assert not report.broken, str(report)
