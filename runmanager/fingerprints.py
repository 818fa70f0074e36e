"""Keyed hashes of what must not be kept: a password's hash, and the names that are tried.

The first key makes them, every key is good for comparing, so that keys can be rotated.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

_LENGTH = 32


@dataclass(frozen=True)
class Fingerprints:
    """Keyed hashes by the cookie's keys; each purpose has hashes of its own."""

    keys: tuple[str, ...] = field(repr=False)

    def of(self, purpose: str, text: str) -> str:
        """The hash of ``text`` by the first key, 32 hexadecimal characters."""
        return _hash(self.keys[0], purpose, text)

    def fits(self, purpose: str, text: str, fingerprint: str) -> bool:
        """Whether ``fingerprint`` is the hash of ``text`` by one of the keys."""
        given = fingerprint.encode(errors="surrogatepass")
        return any(
            hmac.compare_digest(_hash(key, purpose, text).encode(), given) for key in self.keys
        )


def derived_key(key: str, purpose: str) -> str:
    """A key for one purpose, from which neither ``key`` nor that of another purpose can be told."""
    return hmac.new(key.encode(), f"key:{purpose}".encode(), hashlib.sha256).hexdigest()


def _hash(key: str, purpose: str, text: str) -> str:
    data = text.encode(errors="surrogatepass")
    return hmac.new(derived_key(key, purpose).encode(), data, hashlib.sha256).hexdigest()[:_LENGTH]
