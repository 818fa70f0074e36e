"""A guess costs the same for every name, and one has to wait from the sixth on.

How long a guess takes is measured by ``python -m tests.security.guessing``, never asserted here:
here it is asserted that the same work is done.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from pages.passwords import is_password
from runmanager.errors import TooManyError, WrongPasswordError
from runmanager.fingerprints import Fingerprints
from runmanager.service import RunManager
from runmanager.service.guessing import Guessing
from runmanager.settings import Settings
from tests.hosts import PASSWORD
from tests.passwords import BY_SCHEME
from tests.polling import wait_until
from tests.security.guessing import attack_one_name
from tests.security.report import Report

if TYPE_CHECKING:
    from pathlib import Path

    from runmanager.store import Store
    from tests.hosts import HostWriter
    from tests.security.target import Target

pytestmark = pytest.mark.xdist_group("security")


def head_of(hashed: str) -> str:
    """What a hash says of its scheme and cost."""
    return hashed[:6] if hashed.startswith("$2") else re.split("[0-9A-Za-z+/]{16}", hashed)[0]


MADE = {f"bcrypt, cost {cost}": f"$2b${cost:02}$" + "x" * 53 for cost in (4, 10)} | {
    name: make(PASSWORD) for name, make in BY_SCHEME.items() if name != "bcrypt"
}


@pytest.mark.parametrize("kind", MADE)
def test_a_guess_does_the_same_work_for_every_name(
    host: HostWriter, state_dir: Path, kind: str
) -> None:
    for number in range(3):
        host.add_user(f"admin {number}", is_admin=True)
    host.execute("UPDATE users SET password_hash = %s", MADE[kind])
    done: list[str] = []

    def noted(password: str, known: str) -> bool:
        done.append(head_of(known))
        return is_password(password, known)

    settings = Settings(state_dir=state_dir, cookie_keys=("a key of the tests, 32 bytes or more",))
    manager = RunManager.open(host.url, settings, noted)
    try:
        for name in ("ada", "admin 1", "nobody", "", "ada' OR 1=1", "admin 9"):
            with pytest.raises(WrongPasswordError):
                manager.signing_in.sign_in(name, "wrong")
    finally:
        manager.close()
    assert done == [head_of(MADE[kind])] * 6


def test_the_sixth_guess_has_to_wait_whichever_way_it_comes(target: Target, tmp_path: Path) -> None:
    report = Report("guessing")
    # With a store of its own: this address is slowed afterwards.
    own_store = {
        "RUNMANAGER_STATE_URL": "",
        "RUNMANAGER_STATE_DIR": str(tmp_path / "state"),
        "RUNMANAGER_ARCHIVE": "",
    }
    instance = target.serve(RUNMANAGER_TRUSTED_PROXIES="127.0.0.1", **own_store)
    try:
        attack_one_name(target, instance, report)
    finally:
        target.stop(instance)
    assert not report.broken, str(report)


def test_a_flood_of_guesses_from_one_address_does_not_reach_the_store(store: Store) -> None:
    guessing = Guessing(store, Fingerprints(("a key of the tests, 32 bytes or more",)))
    statements: list[str] = []

    def record(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        statements.append(statement)

    def refused(name: str) -> bool:
        try:
            guessing.begin(name, "198.51.100.7")
        except TooManyError:
            return True
        return False

    wait_until(lambda: sum(refused(f"name {number}") for number in range(30)) > 5)
    sa.event.listen(store._kept.engine, "before_cursor_execute", record)
    assert all(refused(f"other {number}") for number in range(10))
    assert len(statements) == 0
    guessing.begin("ada", "198.51.100.8")
    assert statements
