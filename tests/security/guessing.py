"""Guessing a password: how long a guess takes, and how soon one has to wait.

    python -m tests.security.guessing [KIND ...]

A name that nobody has takes as long as a known one, whatever the host's hashes: medians of 30 each,
taken in turn, for bcrypt at the costs 4, 10, 12 and 14, and for argon2, pbkdf2 and scrypt at what
their libraries take by default, where all admins have the same. And from
the sixth try on one waits, whichever session, address, thread, instance or door it comes by, and
after a restart.
"""

from __future__ import annotations

import math
import secrets
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import argon2
import bcrypt
from werkzeug.security import generate_password_hash

from runmanager.api.application import PREFIX
from tests.hosts import PASSWORD
from tests.security.report import Report, leave
from tests.security.target import own_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.target import Instance, Target


def by_bcrypt(cost: int, password: str) -> str:
    """A bcrypt hash of this cost."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


KINDS: dict[str, Callable[[str], str]] = {
    **{f"bcrypt-{cost}": partial(by_bcrypt, cost) for cost in (4, 10, 12, 14)},
    "argon2": argon2.PasswordHasher().hash,
    "pbkdf2": partial(generate_password_hash, method="pbkdf2"),
    "scrypt": partial(generate_password_hash, method="scrypt"),
}
TRIES = 30
MOST_DIFFERENT = 0.05
FREE = 5
_PROXY = {"RUNMANAGER_TRUSTED_PROXIES": "127.0.0.1"}
_WRONG = "wrong"
_numbers = count(1)


def another_address() -> str:
    """An address from which nobody has tried yet."""
    number = next(_numbers)
    return f"198.18.{number // 250}.{number % 250 + 1}"


def guess(instance: Instance, name: str, address: str = "", password: str = _WRONG) -> int:
    """One try at the form; the status of its answer."""
    said = {"X-Forwarded-For": address} if address else {}
    return instance.post("/sign-in", {"username": name, "password": password}, **said).status


def seconds_of(instance: Instance, name: str) -> float:
    """How long one wrong guess takes, from an address that is not slowed."""
    began = time.perf_counter()
    status = guess(instance, name, another_address())
    took = time.perf_counter() - began
    assert status == 401, status
    return took


def most_looked_at(seconds: float) -> int:
    """Five, and then one after a second, two, four, as far as ``seconds`` go."""
    return FREE + 1 + int(math.log2(1 + seconds))


def compare_times(
    target: Target, instance: Instance, kind: str, report: Report, tries: int = TRIES
) -> None:
    """Known names and unknown ones in turn, each name once."""
    hashed = KINDS[kind](PASSWORD)
    known = [f"known-{kind}-{number}" for number in range(tries)]
    for name in known:
        target.add_admin(name)
    target.host.execute("UPDATE users SET password_hash = %s", hashed)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for name in (known[0], "warm-up"):
        guess(instance, f"{name}-{secrets.token_hex(4)}", another_address())
    for number, name in enumerate(known):
        order = (True, False) if number % 2 else (False, True)
        for is_known in order:
            tried = name if is_known else f"nobody-{secrets.token_hex(6)}"
            seconds[is_known].append(seconds_of(instance, tried))
            report.count(f"timed guesses, {kind}")
    of_known, of_unknown = (statistics.median(seconds[one]) for one in (True, False))
    apart = abs(of_known - of_unknown) / of_known
    report.note(
        f"{kind:>9}: known {1000 * of_known:7.1f} ms, unknown {1000 * of_unknown:7.1f} ms, "
        f"apart {100 * apart:.1f} %"
    )
    report.require(apart <= MOST_DIFFERENT, f"{kind}: {100 * apart:.1f} % apart")
    target.host.execute("DELETE FROM users WHERE username LIKE %s", f"known-{kind}-%")


def attack_one_name(target: Target, instance: Instance, report: Report) -> None:
    """Five tries are free, by whatever way; the sixth has to wait, even with the right password."""
    for way, tries in (("one session", 30), ("addresses", 60), ("threads", 60)):
        name = f"guessed-by-{way.replace(' ', '-')}"
        target.add_admin(name)
        began = time.monotonic()
        statuses = _tries(instance, name, way, tries)
        most = most_looked_at(time.monotonic() - began)
        checked = len([one for one in statuses if one == 401])
        report.count(f"guesses by {way}", tries)
        report.note(f"{way}: {checked} of {tries} guesses were looked at")
        report.require(set(statuses) <= {401, 429}, f"{way}: answers {set(statuses)}")
        report.require(checked <= most, f"{way}: {checked} guesses were looked at")
        report.require(429 in statuses, f"{way}: nobody had to wait")
        right = guess(instance, name, another_address(), PASSWORD)
        report.require(right == 429, f"{way}: {right} for the right password while one has to wait")


def _tries(instance: Instance, name: str, way: str, tries: int) -> list[int]:
    if way == "threads":
        with ThreadPoolExecutor(12) as pool:
            return list(pool.map(lambda _n: guess(instance, name, another_address()), range(tries)))
    if way == "addresses":
        return [guess(instance, name, another_address()) for _n in range(tries)]
    return [guess(instance, name) for _n in range(tries)]


def attack_by_other_doors(
    target: Target, here: Instance, there: Instance, report: Report
) -> Instance:
    """Form and API, two instances, and a restart share one count; the process started anew."""
    name = "guessed-everywhere"
    target.add_admin(name)
    began = time.monotonic()
    statuses = [guess(here, name, another_address()) for _n in range(2)]
    statuses += [guess(there, name, another_address()) for _n in range(2)]
    fields = {"username": name, "password": _WRONG}
    statuses += [there.post(f"{PREFIX}/token", fields).status for _n in range(2)]
    target.stop(here)
    again = target.serve(**_PROXY)
    statuses += [guess(again, name, another_address()) for _n in range(4)]
    report.count("guesses by form, API, two instances, a restart", len(statuses))
    checked = len([one for one in statuses if one == 401])
    report.note(f"form, API, two instances, a restart: {statuses}")
    most = most_looked_at(time.monotonic() - began)
    report.require(checked <= most, f"{checked} guesses were looked at, in all")
    report.require(429 in statuses[-4:], "after a restart nobody has to wait")
    return again


def attack_address(instance: Instance, report: Report) -> None:
    """One address, many names: slowed, and a colleague elsewhere is not."""
    address = another_address()
    statuses = [guess(instance, f"nobody-{number}", address) for number in range(60)]
    report.count("guesses of many names from one address", len(statuses))
    checked = len([one for one in statuses if one == 401])
    report.note(f"one address, 60 names: {checked} were looked at")
    report.require(429 in statuses, "an address is never slowed")
    colleague = guess(instance, "ada", another_address(), PASSWORD)
    report.require(colleague == 303, f"an admin elsewhere gets {colleague}")


def main() -> None:
    """Attack, print, and exit 1 where a promise is broken."""
    report = Report("guessing")
    with own_target() as target:
        here, there = target.serve(**_PROXY), target.serve(**_PROXY)
        attack_one_name(target, here, report)
        here = attack_by_other_doors(target, here, there, report)
        attack_address(here, report)
        for kind in sys.argv[1:] or KINDS:
            compare_times(target, here, kind, report)
    leave(report)


if __name__ == "__main__":
    main()
