"""How often one may try to sign in: one count for form and API, kept in the store.

A try counts before its password is looked at, so that many at once gain nothing, and so do a
restart, another instance or another session. Who must wait is told so at once. A name that is
tried too often waits longer each time; an address may try further names, but not quickly. Neither
can lock everybody out: a browser in which somebody has signed in before has a count of its own for
that name.
"""

from __future__ import annotations

import math
import secrets
import time
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from runmanager.errors import TooManyError
from runmanager.store import throttles

if TYPE_CHECKING:
    import sqlalchemy as sa

    from runmanager.fingerprints import Fingerprints
    from runmanager.store import Store

_MOST_REMEMBERED = 1000
_IPV6_PREFIX = 64  # one customer's share of the addresses


@dataclass(frozen=True)
class Rule:
    """So many failures are free; then one waits two seconds, four, ``longest`` at the most."""

    free: int
    longest: float
    forget_after: float = 3600.0

    def wait(self, failures: int, seconds_since: float) -> float:
        """Seconds to wait before the next try, after so many failures, the last so long ago."""
        if failures < self.free:
            return 0.0
        pause = min(self.longest, 2.0 ** min(failures - self.free + 1, 30))
        return max(0.0, pause - seconds_since)


NAME = Rule(free=5, longest=900.0)
ADDRESS = Rule(free=20, longest=5.0)


@dataclass(frozen=True)
class Attempt:
    """A try that was let through, and what it is counted under."""

    name_key: str
    address_key: str | None


class Guessing:
    """Counts the tries to sign in."""

    def __init__(self, store: Store, fingerprints: Fingerprints) -> None:
        self._store = store
        self._fingerprints = fingerprints
        # Until when an address must wait: a flood from it is answered without asking the store,
        # which would take the processor from the pages.
        self._slowed: dict[str, float] = {}

    def device_of(self, username: str) -> str:
        """What a browser keeps of a sign-in, to have a count of its own for this name."""
        device_id = secrets.token_urlsafe(12)
        return f"{device_id}.{self._fingerprints.of('device', _of_device(device_id, username))}"

    def begin(self, username: str, address: str, device: str = "") -> Attempt:
        """Count a try. Raises TooManyError, with the seconds to wait, for one too many."""
        attempt = self._attempt(username, address, device)
        now = time.time()
        wait = self._slowed.get(attempt.address_key or "", 0.0) - now
        if not 0.0 < wait <= ADDRESS.longest:
            wait = self._counted(attempt, now)
        if wait > 0.0:
            seconds = math.ceil(wait)
            raise TooManyError(
                f"Too many attempts to sign in. Wait {seconds} "
                f"second{'' if seconds == 1 else 's'}, then try again.",
                retry_after=seconds,
            )
        return attempt

    def succeeded(self, attempt: Attempt) -> None:
        """Forget the failures of a name whose password was right."""
        with self._store.write() as connection:
            throttles.clear(connection, attempt.name_key)
            if attempt.address_key is not None:
                self._forgive_address(connection, attempt.address_key)

    def undone(self, attempt: Attempt) -> None:
        """Take back a try whose password could not be looked at."""
        with self._store.write() as connection:
            throttles.forgive(connection, attempt.name_key)
            if attempt.address_key is not None:
                self._forgive_address(connection, attempt.address_key)

    def _counted(self, attempt: Attempt, now: float) -> float:
        """Count a try in the store; the seconds to wait."""
        with self._store.write() as connection:
            wait = self._wait_of_address(connection, attempt.address_key, now)
            if wait > 0.0 and attempt.address_key is not None:
                if len(self._slowed) >= _MOST_REMEMBERED:
                    self._slowed.clear()
                self._slowed[attempt.address_key] = now + wait
            return wait or self._wait_of_name(connection, attempt.name_key, now)

    def _forgive_address(self, connection: sa.Connection, key: str) -> None:
        throttles.forgive(connection, key)
        self._slowed.pop(key, None)

    def _wait_of_name(self, connection: sa.Connection, key: str, now: float) -> float:
        """Count a try, also one that comes too early: who hammers on a name waits ever longer."""
        before = throttles.read(connection, [key], for_update=True).get(key)
        noted = throttles.note(connection, key, now, NAME.forget_after)
        since = now - before.last_at if before is not None else 0.0
        is_early = NAME.wait(noted.count - 1, since) > 0.0
        # What is said holds: from this try on, which has counted.
        return NAME.wait(noted.count, 0.0) if is_early else 0.0

    def _wait_of_address(self, connection: sa.Connection, key: str | None, now: float) -> float:
        """Count a try, unless it comes too early: others may share the address."""
        if key is None:
            return 0.0
        before = throttles.read(connection, [key], for_update=True).get(key)
        wait = 0.0 if before is None else ADDRESS.wait(before.count, now - before.last_at)
        if wait == 0.0:
            throttles.note(connection, key, now, ADDRESS.forget_after)
        return wait

    def _attempt(self, username: str, address: str, device: str) -> Attempt:
        if device.isascii() and device.count(".") == 1:
            device_id, fingerprint = device.split(".")
            if self._fingerprints.fits("device", _of_device(device_id, username), fingerprint):
                return Attempt(f"device:{self._fingerprints.of('throttle', device)}", None)
        name_key = f"name:{self._fingerprints.of('throttle', _folded(username))}"
        return Attempt(name_key, f"address:{self._fingerprints.of('throttle', _network(address))}")


def _of_device(device_id: str, username: str) -> str:
    # Both: with an id of their own making, somebody could be a new browser at each try.
    return f"{device_id}.{_folded(username)}"


def _folded(username: str) -> str:
    return username.strip().lower()


def _network(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    mapped = getattr(found, "ipv4_mapped", None)
    if found.version == 6 and mapped is None:  # noqa: PLR2004
        return str(ip_network(f"{found}/{_IPV6_PREFIX}", strict=False))
    return str(mapped or found)
