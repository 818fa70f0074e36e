"""Password hashes as applications store them: which schemes are known, and what they cost.

A hash is known by the scheme that it names itself: bcrypt; argon2, pbkdf2 and scrypt as passlib and
the PHC's text have them, and as Django and Werkzeug do. A plain digest, a plain text or nothing is
nobody's hash. What a hash asks for is bounded, so that no row of the host's can keep the processor
or the memory; docs/security.md names the bounds. Each check is one call of a library: this module
only reads texts. bcrypt is checked by who holds its library: pages/passwords.py.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import InvalidKey, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.argon2 import Argon2d, Argon2i, Argon2id
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

if TYPE_CHECKING:
    from collections.abc import Callable

# No scheme writes more.
MAX_LENGTH = 512
# The dearest of each takes a few seconds; the usual ones, a tenth.
MAX_BCRYPT_COST = 16
MAX_PBKDF2_ITERATIONS = 5_000_000
MAX_MEMORY = 256 * 1024 * 1024
MAX_ARGON2_PASSES = 64
MAX_ARGON2_LANES = 16
# Bytes filled, over all passes.
MAX_ARGON2_WORK = 2 * 1024 * 1024 * 1024
MAX_SCRYPT_WORK = 512 * 1024 * 1024

_MIN_BCRYPT_COST = 4
_SCRYPT_BLOCK = 128
_SCRYPT_KEYS = (32, 64)
# A shorter key would be met by chance, and none is longer.
_MIN_KEY, _MAX_KEY = 16, 128
_KIB = 1024
# What follows a cost in a bcrypt hash: a salt and the hash of a random text that nobody has kept.
_NOBODYS_REST = "$C6UzMDM.H6dfI/f/IKcEeO7ZBqfPzn0Z8lOCSyGLzbmNbsqNUtAZu"
_USUAL = f"$2b$12{_NOBODYS_REST}"
_ARGON2: dict[str, type[Argon2id | Argon2i | Argon2d]] = {
    "id": Argon2id,
    "i": Argon2i,
    "d": Argon2d,
}
_PBKDF2: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha512": hashes.SHA512,
}


@dataclass(frozen=True)
class Bcrypt:
    """A bcrypt hash. ``prefix`` is what Django writes before it.

    With ``is_of_digest`` it was made of the password's SHA-256 in hexadecimal digits, as Django's
    ``bcrypt_sha256`` does.
    """

    hashed: str = field(repr=False)
    prefix: str = ""
    is_of_digest: bool = False

    def hashed_text(self, password: str) -> str:
        """What of ``password`` was given to bcrypt."""
        return hashlib.sha256(password.encode()).hexdigest() if self.is_of_digest else password

    def nobodys(self) -> str:
        """Of the same cost."""
        return f"{self.prefix}{self.hashed[:6]}{_NOBODYS_REST}"


class _Kdf(Protocol):
    def verify(self, key_material: bytes, expected_key: bytes, /) -> None: ...


@dataclass(frozen=True)
class Derived:
    """A key derived from the password: by argon2, pbkdf2 or scrypt.

    ``kdf`` makes the derivation, which is good for one check. ``head`` is what stands before the
    key in the hash's text, ``write`` how the key stands there.
    """

    kdf: Callable[[], _Kdf]
    key: bytes = field(repr=False)
    head: str = field(repr=False)
    write: Callable[[bytes], str]

    def fits(self, password: str) -> bool:
        """Whether ``password`` is the one that was hashed. Raises ValueError for no whole text."""
        if "\0" in password:
            # HMAC takes zeros at the end for none; nobody types one.
            return False
        try:
            self.kdf().verify(password.encode(), self.key)
        except (InvalidKey, MemoryError):
            # Another password; or one that cannot be looked at now, which lets nobody in either.
            return False
        return True

    def nobodys(self) -> str:
        """With a random key, and so of the same cost."""
        return self.head + self.write(secrets.token_bytes(len(self.key)))


def read(hashed: str | None) -> Bcrypt | Derived | None:
    """What ``hashed`` says, None where it names no scheme that is known, or asks for too much."""
    if hashed is None or len(hashed) > MAX_LENGTH:
        return None
    for shape, reader in _READERS:
        found = shape.fullmatch(hashed)
        if found is not None:
            return reader(found)
    return None


def is_known(hashed: str | None) -> bool:
    """Whether somebody can sign in by ``hashed``."""
    return read(hashed) is not None


def nobodys(hashed: str | None) -> str:
    """A hash that costs what ``hashed`` does, by the same scheme, and that is nobody's."""
    found = read(hashed)
    return _USUAL if found is None else found.nobodys()


# How a key or a salt stands in a text.


@dataclass(frozen=True)
class _Encoding:
    decode: Callable[[str], bytes]
    encode: Callable[[bytes], str]

    def read(self, text: str) -> bytes | None:
        """The bytes; None where ``text`` is not how they are written."""
        try:
            found = self.decode(text)
        except ValueError:
            return None
        return found if self.encode(found) == text else None


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)


_HEX = _Encoding(bytes.fromhex, bytes.hex)
_BASE64 = _Encoding(
    lambda text: base64.b64decode(text, validate=True),
    lambda data: base64.b64encode(data).decode(),
)
_BASE64_UNPADDED = _Encoding(lambda text: base64.b64decode(_padded(text), validate=True), _unpadded)
# passlib writes a dot for the plus.
_BASE64_DOTTED = _Encoding(
    lambda text: base64.b64decode(_padded(text.replace(".", "+")), validate=True),
    lambda data: _unpadded(data).replace("+", "."),
)


# One reader for each shape: what it finds is bounded here.


def _bcrypt(found: re.Match[str]) -> Bcrypt | None:
    if not _MIN_BCRYPT_COST <= int(found["cost"]) <= MAX_BCRYPT_COST:
        return None
    prefix = found["prefix"] or ""
    return Bcrypt(found["hashed"], prefix, is_of_digest=prefix == "bcrypt_sha256$")


def _argon2(found: re.Match[str]) -> Derived | None:
    memory, passes, lanes = int(found["memory"]), int(found["passes"]), int(found["lanes"])
    salt = _BASE64_UNPADDED.read(found["salt"])
    if (
        salt is None
        or lanes > MAX_ARGON2_LANES
        or passes > MAX_ARGON2_PASSES
        or memory * _KIB > MAX_MEMORY
        or memory * _KIB * passes > MAX_ARGON2_WORK
    ):
        return None
    make = _ARGON2[found["kind"]]
    return _derived(
        found,
        _BASE64_UNPADDED,
        lambda length: make(
            salt=salt, length=length, iterations=passes, lanes=lanes, memory_cost=memory
        ),
    )


def _pbkdf2(found: re.Match[str], salt: bytes | None, encoding: _Encoding) -> Derived | None:
    digest = _PBKDF2[found["digest"] or "sha1"]()
    iterations = int(found["iterations"])
    if salt is None or iterations > MAX_PBKDF2_ITERATIONS:
        return None
    derived = _derived(found, encoding, lambda length: PBKDF2HMAC(digest, length, salt, iterations))
    # A longer key would cost as much again for each digest in it; a shorter one is a beginning.
    return derived if derived is not None and len(derived.key) == digest.digest_size else None


def _scrypt(
    found: re.Match[str], salt: bytes | None, n: int, encoding: _Encoding
) -> Derived | None:
    r, p = int(found["r"]), int(found["p"])
    block = _SCRYPT_BLOCK * r
    if salt is None or n * block > MAX_MEMORY or n * block * p > MAX_SCRYPT_WORK:
        return None
    derived = _derived(found, encoding, lambda length: Scrypt(salt, length, n, r, p))
    # A shorter key would be the beginning of a longer one.
    return derived if derived is not None and len(derived.key) in _SCRYPT_KEYS else None


def _derived(
    found: re.Match[str], encoding: _Encoding, kdf: Callable[[int], _Kdf]
) -> Derived | None:
    key = encoding.read(found["key"])
    if key is None or not _MIN_KEY <= len(key) <= _MAX_KEY:
        return None
    length = len(key)
    try:
        kdf(length)
    except (ValueError, UnsupportedAlgorithm):
        # What the scheme itself forbids, or what the library was built without.
        return None
    return Derived(lambda: kdf(length), key, found["head"], encoding.encode)


def _pbkdf2_of_passlib(found: re.Match[str]) -> Derived | None:
    return _pbkdf2(found, _BASE64_DOTTED.read(found["salt"]), _BASE64_DOTTED)


def _pbkdf2_of_django(found: re.Match[str]) -> Derived | None:
    return _pbkdf2(found, found["salt"].encode(), _BASE64)


def _pbkdf2_of_werkzeug(found: re.Match[str]) -> Derived | None:
    return _pbkdf2(found, found["salt"].encode(), _HEX)


def _scrypt_of_passlib(found: re.Match[str]) -> Derived | None:
    salt = _BASE64_UNPADDED.read(found["salt"])
    return _scrypt(found, salt, 1 << int(found["log"]), _BASE64_UNPADDED)


def _scrypt_of_django(found: re.Match[str]) -> Derived | None:
    return _scrypt(found, found["salt"].encode(), int(found["n"]), _BASE64)


def _scrypt_of_werkzeug(found: re.Match[str]) -> Derived | None:
    return _scrypt(found, found["salt"].encode(), int(found["n"]), _HEX)


def _number(name: str) -> str:
    return rf"(?P<{name}>[1-9][0-9]{{0,8}})"


_B64 = "[A-Za-z0-9+/]+"
_DOTTED = "[A-Za-z0-9./]+"
_TEXT = "[!-#%-~]+"
_COSTS_OF_ARGON2 = f"m={_number('memory')},t={_number('passes')},p={_number('lanes')}"
_R, _P = _number("r"), _number("p")
_SHAPES: dict[str, Callable[[re.Match[str]], Bcrypt | Derived | None]] = {
    r"(?P<prefix>bcrypt\$|bcrypt_sha256\$)?"
    r"(?P<hashed>\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53})": _bcrypt,
    r"(?P<head>(argon2)?\$argon2(?P<kind>id|i|d)\$v=19"
    rf"\${_COSTS_OF_ARGON2}\$(?P<salt>{_B64})\$)(?P<key>{_B64})": _argon2,
    rf"(?P<head>\$pbkdf2(-(?P<digest>sha256|sha512))?\${_number('iterations')}"
    rf"\$(?P<salt>{_DOTTED})\$)(?P<key>{_DOTTED})": _pbkdf2_of_passlib,
    rf"(?P<head>pbkdf2_(?P<digest>sha1|sha256)\${_number('iterations')}"
    rf"\$(?P<salt>{_TEXT})\$)(?P<key>{_B64}={{0,2}})": _pbkdf2_of_django,
    rf"(?P<head>pbkdf2:(?P<digest>sha1|sha256|sha512):{_number('iterations')}"
    rf"\$(?P<salt>{_TEXT})\$)(?P<key>[0-9a-f]+)": _pbkdf2_of_werkzeug,
    rf"(?P<head>\$scrypt\$ln=(?P<log>[1-9][0-9]?),r={_R},p={_P}"
    rf"\$(?P<salt>{_B64})\$)(?P<key>{_B64})": _scrypt_of_passlib,
    rf"(?P<head>scrypt\${_number('n')}\$(?P<salt>{_TEXT})"
    rf"\${_R}\${_P}\$)(?P<key>{_B64}={{0,2}})": _scrypt_of_django,
    rf"(?P<head>scrypt:{_number('n')}:{_R}:{_P}"
    rf"\$(?P<salt>{_TEXT})\$)(?P<key>[0-9a-f]+)": _scrypt_of_werkzeug,
}
_READERS = tuple((re.compile(shape), reader) for shape, reader in _SHAPES.items())
