"""Password hashes: those that applications' libraries make are checked; nothing else is a hash."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import argon2
import bcrypt
import django.conf
import pytest
from django.contrib.auth import hashers
from hypothesis import given
from hypothesis import strategies as st
from passlib.hash import pbkdf2_sha1, pbkdf2_sha256, pbkdf2_sha512, scrypt
from werkzeug.security import generate_password_hash

from pages.passwords import is_password
from runmanager import passwords
from tests.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

# Django's hashers ask for settings: the defaults do.
if not django.conf.settings.configured:
    django.conf.settings.configure()

SECRET = "corréct hörse 🐴"
LONG = "long " * 200


def by_argon2(kind: argon2.Type) -> Callable[[str], str]:
    """Made by argon2-cffi, as cheaply as it can."""
    return argon2.PasswordHasher(1, 16, 2, type=kind).hash


def by_django(hasher: Any, **costs: int) -> Callable[[str], str]:
    """Made by one of Django's hashers, with costs of the test's own."""
    cheap = type("Cheap", (hasher,), costs)()
    return lambda password: str(cheap.encode(password, cheap.salt()))


def by_django_and_bcrypt(password: str) -> str:
    """Made by Django's plain bcrypt, which bcrypt before 5 gave the first 72 bytes."""
    return by_django(hashers.BCryptPasswordHasher, rounds=4)(password[:72])


def by_werkzeug(method: str) -> Callable[[str], str]:
    """Made by Werkzeug, as Flask applications do."""
    return lambda password: generate_password_hash(password, method)


def by_bcrypt(password: str) -> str:
    """Made by bcrypt."""
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()


MADE: dict[str, Callable[[str], str]] = {
    "bcrypt": by_bcrypt,
    "argon2id": by_argon2(argon2.Type.ID),
    "argon2i": by_argon2(argon2.Type.I),
    "argon2d": by_argon2(argon2.Type.D),
    "pbkdf2 sha1, passlib": pbkdf2_sha1.using(rounds=2).hash,
    "pbkdf2 sha256, passlib": pbkdf2_sha256.using(rounds=2).hash,
    "pbkdf2 sha512, passlib": pbkdf2_sha512.using(rounds=2).hash,
    "pbkdf2 without much salt, passlib": pbkdf2_sha256.using(rounds=2, salt_size=1).hash,
    "scrypt, passlib": scrypt.using(rounds=4, block_size=4, parallelism=2).hash,
    "pbkdf2 sha256, Django": by_django(hashers.PBKDF2PasswordHasher, iterations=2),
    "pbkdf2 sha1, Django": by_django(hashers.PBKDF2SHA1PasswordHasher, iterations=2),
    "argon2, Django": by_django(
        hashers.Argon2PasswordHasher, time_cost=1, memory_cost=16, parallelism=2
    ),
    "scrypt, Django": by_django(
        hashers.ScryptPasswordHasher, work_factor=16, block_size=4, parallelism=2
    ),
    "bcrypt, Django": by_django_and_bcrypt,
    "bcrypt of a digest, Django": by_django(hashers.BCryptSHA256PasswordHasher, rounds=4),
    "pbkdf2 sha1, Werkzeug": by_werkzeug("pbkdf2:sha1:2"),
    "pbkdf2 sha256, Werkzeug": by_werkzeug("pbkdf2:sha256:2"),
    "pbkdf2 sha512, Werkzeug": by_werkzeug("pbkdf2:sha512:2"),
    "scrypt, Werkzeug": by_werkzeug("scrypt:16:4:2"),
}
# Made before the test runs once: some are salted slowly.
HASHES = {name: make(SECRET) for name, make in MADE.items()}
every_scheme = pytest.mark.parametrize("scheme", MADE)

# From where they are published: the specifications, and the tests and pages of their libraries.
PUBLISHED = (
    # phc-winner-argon2, test.c
    (
        "password",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    ),
    (
        "password",
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
    ),
    # argon2-jvm, Argon2dTest
    (
        "password",
        (
            "$argon2d$v=19$m=1024,t=2,p=1$dGhpc2lzdGhlc2FsdA$rkBsbLVYkXDowmxcwZ9qjp"
            "LuAbNjIPBXxmD27YvzHzw"
        ),
    ),
    # passlib, test_handlers_pbkdf2.py and its page on scrypt
    ("password", "$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI"),
    (
        "password",
        "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
    ),
    (
        "password",
        (
            "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7K"
            "IK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww"
        ),
    ),
    (
        "password",
        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
    ),
    # Django, test_hashers.py
    (
        "lètmein",
        "pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c=",
    ),
    ("secret", "argon2$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q"),
    (
        "secret",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$Y041dExhNkljRUUy$TMa6A8fPJhCAUXRhJXCXdw",
    ),
    (
        "lètmein",
        (
            "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7"
            "tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw=="
        ),
    ),
    # a Go library for Django's hashes, bcrypt_sha256_test.go
    (
        "admin",
        "bcrypt_sha256$$2b$12$WZK9cb9qKN.Q5LCYPq/gj.6gvry1b37HUsJER6KhQBnIWmPyyaaqi",
    ),
    # RFC 6070 and RFC 7914, as Werkzeug writes them
    ("password", "pbkdf2:sha1:4096$salt$4b007901b765489abead49d926f721d065a429c1"),
    (
        "pleaseletmein",
        (
            "scrypt:16384:8:1$SodiumChloride$7023bdcb3afd7348461c06cd81fd38ebfda8fb"
            "ba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d65"
            "1e40dfcf017b45575887"
        ),
    ),
)


@every_scheme
def test_what_its_library_has_made_is_checked(scheme: str) -> None:
    hashed = HASHES[scheme]
    assert is_password(SECRET, hashed)
    assert MADE[scheme](SECRET) != hashed
    for other in ("", SECRET[:-1], f"{SECRET} ", SECRET.upper(), f"{SECRET}\0", hashed, "\ud800"):
        assert not is_password(other, hashed), other


@pytest.mark.parametrize(("password", "hashed"), PUBLISHED, ids=lambda text: text[:24])
def test_what_is_published_is_checked(password: str, hashed: str) -> None:
    assert is_password(password, hashed)
    assert not is_password(f"{password}x", hashed)


@every_scheme
def test_only_bcrypt_looks_at_72_bytes(scheme: str) -> None:
    hashed = MADE[scheme](LONG)
    assert is_password(LONG, hashed)
    looks_at_72 = scheme in {"bcrypt", "bcrypt, Django"}
    assert is_password(LONG[:72], hashed) is looks_at_72
    assert is_password(f"{LONG}x", hashed) is looks_at_72


@every_scheme
@given(data=st.data())
def test_one_with_another_letter_is_of_another_password(scheme: str, data: st.DataObject) -> None:
    hashed = HASHES[scheme]
    where = data.draw(st.integers(0, len(hashed) - 1))
    letter = data.draw(st.sampled_from("aZ09./+=$,:é\0 "))
    tampered = hashed[:where] + letter + hashed[where + 1 :]
    if is_as_dear(tampered, hashed):
        # $2a$ is an older name for what $2b$ does.
        is_same = tampered.replace("$2a$04$", "$2b$04$") == hashed
        assert is_password(SECRET, tampered) is is_same


def is_as_dear(tampered: str, hashed: str) -> bool:
    """Whether a changed cost is not what would make the check long."""
    costs = [
        "".join(letter if letter.isdigit() else " " for letter in text[: text.rfind("$")])
        for text in (tampered, hashed)
    ]
    return costs[0] == costs[1] or not passwords.is_known(tampered)


@every_scheme
def test_what_stands_around_it_or_is_cut_off_makes_it_nobodys(scheme: str) -> None:
    hashed = HASHES[scheme]
    for changed in (
        f" {hashed}", f"{hashed} ", f"{hashed}\n", f"{hashed}$", f"${hashed}", hashed[:-1],
        hashed[: hashed.rfind("$") + 1], hashed[: hashed.rfind("$")], hashed[1:], hashed * 2,
        f"{hashed}{'A' * 1000}", f"x{hashed}", hashed.upper(), f"{hashed}\0",
    ):  # fmt: skip
        assert not is_password(SECRET, changed), changed


SALT, KEY = "c29tZXNhbHQ", "A" * 43
SALT64, HEX, PADDED = "c2FsdHNhbHRzYWx0", "0" * 64, "A" * 43 + "="
NOBODYS = {
    "nothing": "",
    "the password": SECRET,
    "md5": hashlib.md5(SECRET.encode(), usedforsecurity=False).hexdigest(),
    "sha1": hashlib.sha1(SECRET.encode(), usedforsecurity=False).hexdigest(),
    "sha256": hashlib.sha256(SECRET.encode()).hexdigest(),
    "md5, Django": "md5$seasalt$3f86d0d3d465b7b458c231bf3555c0e3",
    "sha1, Django": "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8",
    "unusable, Django": "!tUkSZ8ViVqpbfT9YjUN4hNbUqZ8lZ8uKHxH8xZ7I",
    "plain, Werkzeug": f"plain$${SECRET}",
    "salted sha256, Werkzeug": f"sha256$salt${HEX}",
    "pbkdf2 of md5, Werkzeug": f"pbkdf2:md5:1000$salt${'0' * 32}",
    "pbkdf2 whose iterations are unsaid, Werkzeug": f"pbkdf2:sha256$salt${HEX}",
    "md5 crypt": "$1$3azHgidD$SrJPt7B.9rekpmwJwtON31",
    "sha512 crypt": f"$6$rounds=5000$usesomesilly$.{'a' * 85}",
    "base64 of the password": base64.b64encode(SECRET.encode()).decode(),
    "argon2 of the first version": f"$argon2i$m=16,t=1,p=1${SALT}${KEY}",
    "argon2 of version 16": f"$argon2i$v=16$m=16,t=1,p=1${SALT}${KEY}",
    "argon2 with a key of its own": f"$argon2i$v=19$m=16,t=1,p=1,keyid=AA${SALT}${KEY}",
    "argon2 without salt": "$argon2id$v=19$m=16,t=1,p=1$$" + KEY,
    "argon2 with little salt": f"$argon2id$v=19$m=16,t=1,p=1$c29tZXNh${KEY}",
    "argon2 of three bytes": f"$argon2id$v=19$m=16,t=1,p=1${SALT}$AAAA",
    "argon2 in too little memory": f"$argon2id$v=19$m=8,t=1,p=2${SALT}${KEY}",
    "argon2 whose last letter has bits too many": f"$argon2id$v=19$m=16,t=1,p=1${SALT}${KEY[:-1]}B",
    "pbkdf2 without iterations": f"pbkdf2_sha256$0$salt${PADDED}",
    "pbkdf2 of half a key": f"pbkdf2_sha256$1$salt${'A' * 22}==",
    "pbkdf2 of two keys": f"pbkdf2:sha256:1$salt${HEX * 2}",
    "pbkdf2 without a key": "pbkdf2:sha256:1$salt$",
    "pbkdf2 with letters for a number": f"pbkdf2_sha256$\u0661$salt${PADDED}",
    "scrypt of no power of two": f"scrypt:15:8:1$salt${HEX}",
    "scrypt of a key cut off": f"$scrypt$ln=4,r=8,p=1${SALT64}${KEY[:-1]}",
    "scrypt of one": f"scrypt:1:8:1$salt${HEX}",
    "bcrypt of a cost that cannot be": "$2b$03$" + "x" * 53,
    "bcrypt of an old kind": "$2x$04$" + "x" * 53,
}
TOO_DEAR = {
    "bcrypt": "$2b$17$" + "x" * 53,
    "bcrypt, to the utmost": "$2b$31$" + "x" * 53,
    "bcrypt, Django": "bcrypt$$2b$31$" + "x" * 53,
    "argon2's memory": f"$argon2id$v=19$m=262145,t=1,p=1${SALT}${KEY}",
    "argon2's memory, to the utmost": f"$argon2id$v=19$m=4294967295,t=1,p=1${SALT}${KEY}",
    "argon2's passes": f"$argon2id$v=19$m=16,t=65,p=1${SALT}${KEY}",
    "argon2's passes over much memory": f"$argon2id$v=19$m=262144,t=9,p=1${SALT}${KEY}",
    "argon2's lanes": f"$argon2id$v=19$m=512,t=1,p=17${SALT}${KEY}",
    "argon2, Django": f"argon2$argon2id$v=19$m=999999999,t=999999999,p=1${SALT}${KEY}",
    "pbkdf2, passlib": f"$pbkdf2-sha256$5000001${SALT64}${KEY}",
    "pbkdf2, Django": f"pbkdf2_sha256$999999999$salt${PADDED}",
    "pbkdf2, Werkzeug": f"pbkdf2:sha256:{'9' * 300}$salt${HEX}",
    "scrypt's memory, passlib": f"$scrypt$ln=19,r=8,p=1${SALT64}${KEY}",
    "scrypt's memory, to the utmost": f"$scrypt$ln=99,r=999999999,p=1${SALT64}${KEY}",
    "scrypt's blocks, Django": f"scrypt$16384$salt$999999999$1${PADDED}",
    "scrypt's lanes, Werkzeug": f"scrypt:16384:8:999999999$salt${HEX}",
    "a text without end": f"pbkdf2_sha256$1${'x' * 1_000_000}${PADDED}",
}


@pytest.mark.parametrize("kind", NOBODYS)
def test_what_names_no_scheme_is_nobodys_hash(kind: str) -> None:
    assert not passwords.is_known(NOBODYS[kind])
    for password in (SECRET, NOBODYS[kind], ""):
        assert not is_password(password, NOBODYS[kind])


@pytest.mark.parametrize("kind", TOO_DEAR)
def test_what_asks_for_too_much_is_nobodys_hash(kind: str) -> None:
    assert not passwords.is_known(TOO_DEAR[kind])
    assert not is_password(SECRET, TOO_DEAR[kind])


@pytest.mark.parametrize(
    "hashed",
    [
        "$2b$16$" + "x" * 53,
        f"$argon2id$v=19$m=262144,t=8,p=16${SALT}${KEY}",
        f"$argon2id$v=19$m=16384,t=64,p=1${SALT}${KEY}",
        f"pbkdf2_sha256$5000000$salt${PADDED}",
        f"$scrypt$ln=18,r=8,p=2${SALT64}${KEY}",
        # What their makers recommend, or take by default.
        f"$argon2id$v=19$m=65536,t=3,p=4${SALT}${KEY}",
        f"argon2$argon2id$v=19$m=102400,t=2,p=8${SALT}${KEY}",
        f"pbkdf2_sha256$1500000$salt${PADDED}",
        f"pbkdf2:sha256:1000000$salt${HEX}",
        f"scrypt:32768:8:1$salt${HEX * 2}",
        f"scrypt$16384$salt$8$5${'A' * 86}==",
        f"$scrypt$ln=17,r=8,p=1${SALT64}${KEY}",
    ],
)
def test_what_asks_for_as_much_as_is_allowed_is_known(hashed: str) -> None:
    assert passwords.is_known(hashed)


WITH_LITTLE_MEMORY = """
import resource, sys
from pages.passwords import is_password
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 64 * 2**20,) * 2)
print([is_password("password", hashed) for hashed in sys.argv[1:]])
"""


def test_where_there_is_no_memory_for_it_nobody_is_let_in() -> None:
    hashes = [
        f"$argon2id$v=19$m=262144,t=1,p=1${SALT}${KEY}",
        f"$scrypt$ln=18,r=8,p=1${SALT64}${KEY}",
        dict(PUBLISHED)["password"],
    ]
    done = subprocess.run(  # noqa: S603  our own program
        [sys.executable, "-c", WITH_LITTLE_MEMORY, *hashes],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == "[False, False, True]\n"


@given(st.text() | st.from_regex(r"(\$|pbkdf2|scrypt|argon2|bcrypt)[$:=,0-9a-zA-Z./+]{0,80}"))
def test_no_text_raises(hashed: str) -> None:
    if not passwords.is_known(hashed):
        assert not is_password(SECRET, hashed)


@every_scheme
def test_nobodys_hash_is_of_the_same_scheme_and_cost_and_fits_nothing(scheme: str) -> None:
    hashed = HASHES[scheme]
    found = passwords.nobodys(hashed)
    assert passwords.is_known(found)
    assert len(found) == len(hashed)
    # All but salt and key of a bcrypt hash, and the key of any other.
    cost = hashed.index("$04$") + 3 if "$04$" in hashed else hashed.rindex("$")
    assert (found[:cost], found[cost:] == hashed[cost:]) == (hashed[:cost], False)
    for password in (SECRET, "", hashed, found):
        assert not is_password(password, found)


@pytest.mark.parametrize("hashed", [None, "", "secret"])
def test_nobodys_hash_without_one_to_go_by_is_a_usual_one(hashed: str | None) -> None:
    assert passwords.nobodys(hashed).startswith("$2b$12$")
    assert passwords.is_known(passwords.nobodys(hashed))
