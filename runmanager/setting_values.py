"""What the text of a setting means: one strict parser for each kind.

Each takes the variable's name and its text, and raises SettingsError in one sentence that names the
variable and never repeats the text: a secret in the wrong place would stand in the log.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

from runmanager.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

Network = IPv4Network | IPv6Network

KEY_BYTES = 32
PROXY_SECRET_HEADER = "X-Run-Manager-Proxy-Secret"  # noqa: S105  its name, which is known to all

_NAMES_NOBODY = {"iss", "aud", "exp", "nbf", "iat", "jti"}
# What every browser sends by itself, or a proxy says of the connection, is nobody's name.
_OTHER_HEADERS = {
    "authorization",
    "connection",
    "cookie",
    "forwarded",
    "host",
    "origin",
    "referer",
    "upgrade",
    "user-agent",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    PROXY_SECRET_HEADER.lower(),
}
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_HOST_AND_PORT = re.compile(r"(?P<name>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
_LONGEST_NAME = 253
_LAST_PORT = (1 << 16) - 1
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def text(_env: str, value: str) -> str:
    """Any text."""
    return value


def line(env: str, value: str) -> str:
    """Text of one line."""
    if not value.isprintable():
        raise SettingsError(f"{env} must be one line of text, without control characters.")
    return value


def names(_env: str, value: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(name.strip() for name in value.split(",") if name.strip())


def zone(env: str, value: str) -> ZoneInfo:
    """A time zone by its IANA name."""
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # a folder of zones is read as a file
        raise SettingsError(
            f"{env} must be the IANA name of a time zone, such as Europe/Berlin, that this "
            "machine knows."
        ) from None


def folder(env: str, value: str) -> Path:
    """A folder, which need not be there yet."""
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise SettingsError(f"{env} begins with the home of an account that is unknown.") from None


def archive(env: str, value: str) -> str:
    """``off``, an absolute folder, or the address of an object store, such as s3://bucket/x."""
    if value == "off" or "://" in value:
        return line(env, value)
    return str(folder(env, value))


def number(unit: str, low: float, high: float) -> Callable[[str, str], float]:
    """Reads a number within bounds."""

    def read(env: str, value: str) -> float:
        try:
            found = float(value) if value.isascii() and "_" not in value else low - 1
        except ValueError:
            found = low - 1
        # What is no number (nan) is not between any two either.
        if not low <= found <= high:
            raise SettingsError(f"{env} must be a number of {unit} between {low:g} and {high:g}.")
        return found

    return read


def count(low: int, high: int) -> Callable[[str, str], int]:
    """Reads a whole number within bounds."""

    def read(env: str, value: str) -> int:
        is_digits = value.isascii() and value.isdigit()
        if not is_digits or not low <= int(value[:9]) <= high:
            raise SettingsError(f"{env} must be a whole number between {low} and {high}.")
        return int(value)

    return read


def one_of(*words: str) -> Callable[[str, str], str]:
    """Reads one of a few words."""
    *first, last = (f"“{word}”" for word in words)

    def read(env: str, value: str) -> str:
        if value not in words:
            raise SettingsError(f"{env} must be {', '.join(first)} or {last}.")
        return value

    return read


def claim(env: str, value: str) -> str:
    """A claim of a token that may name a user."""
    if value in _NAMES_NOBODY:
        raise SettingsError(f"{env} must be a claim that names a user, which “{value}” is not.")
    return value


def scopes(env: str, value: str) -> str:
    """The scopes that are asked of an OpenID Connect provider."""
    found = value.split()
    if "openid" not in found or not re.fullmatch(r"[!#-\[\]-~ ]+", " ".join(found)):
        raise SettingsError(f"{env} must be words with blanks between them, one of them “openid”.")
    return " ".join(found)


def database_url(env: str, value: str) -> sa.URL:
    """The address of a PostgreSQL database."""
    shape = "it should look like postgresql://user:password@host:5432/database"
    try:
        url = sa.make_url(value)
    except (sa.exc.ArgumentError, ValueError):
        raise SettingsError(f"{env} is malformed: {shape}.") from None
    if url.drivername not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise SettingsError(f"{env} is not the address of a PostgreSQL database: {shape}.")
    return url.set(drivername="postgresql+psycopg")


def hosts(env: str, value: str) -> tuple[str, ...]:
    """Names of hosts, in small letters, with commas between them."""
    found = tuple(one.strip().lower() for one in value.split(","))
    if not all(_is_host_and_port(one) for one in found):
        raise SettingsError(
            f"{env} must be names of hosts with commas between them, such as "
            "runs.example.org, *.example.org or localhost:8501, and no addresses of pages."
        )
    return tuple(dict.fromkeys(found))


def _is_host_and_port(value: str) -> bool:
    parts = _HOST_AND_PORT.fullmatch(value)
    return (
        parts is not None and 1 <= int(parts["port"] or 1) <= _LAST_PORT and _is_host(parts["name"])
    )


def _is_host(name: str) -> bool:
    if name.startswith("["):
        return _is_ipv6(name[1:-1])
    return len(name) <= _LONGEST_NAME and _HOST_NAME.fullmatch(name) is not None


def _is_ipv6(value: str) -> bool:
    try:
        return IPv6Address(value).scope_id is None
    except ValueError:
        return False


def networks(env: str, value: str) -> tuple[Network, ...]:
    """Addresses, or networks of addresses, with commas between them."""
    try:
        found = tuple(ip_network(one.strip()) for one in value.split(","))
    except ValueError:
        raise SettingsError(
            f"{env} must be addresses or networks with commas between them, such as 10.0.0.7 or "
            "10.0.0.0/24, without any bit set behind the network's own."
        ) from None
    if "%" in value:
        raise SettingsError(f"{env} must not name an interface (%): an address counts on any.")
    if not all(one.prefixlen for one in found):
        raise SettingsError(f"{env} must not be a network of all addresses: it would trust anyone.")
    return tuple(dict.fromkeys(found))


def issuer(env: str, value: str) -> str:
    """The address of an OpenID Connect provider, as it names itself (Discovery 1.0, section 3).

    It is compared with what tokens say, letter by letter, and so it stays as it is.
    """
    if not _is_issuer(value):
        raise SettingsError(
            f"{env} must be the address of the provider, such as https://login.example.org/realm, "
            "without a query; http:// is for localhost only."
        )
    return value


def _is_issuer(value: str) -> bool:
    if not re.fullmatch(r"[!-~]+", value) or set(value) & set('\\?#@"<>'):
        return False
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    is_host = _is_host(f"[{host}]" if ":" in host else host) and not host.startswith("*")
    return is_safe and is_host and port != 0


def header(env: str, value: str) -> str:
    """The name of a header in which a proxy names the user."""
    # Servers take _ and - for the same: one that is not guarded would pass for the other.
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", value) or value.lower() in _OTHER_HEADERS:
        raise SettingsError(
            f"{env} must be the name of a header of letters, digits and hyphens that has no other "
            "meaning, such as X-Remote-User."
        )
    return value


def keys(env: str, value: str) -> tuple[str, ...]:
    """Secret keys, the first of which signs: one a line, or with commas between them.

    A comma separates only where each part is long enough to be a key: one that was made before
    there were lists may hold a comma itself.
    """
    if not _is_plain_secret(value):
        raise SettingsError(_key_file(env))
    lines = [one.strip() for one in re.split(r"[\r\n]", value) if one.strip()]
    found = tuple(dict.fromkeys(key for one in lines for key in _split_at_commas(one)))
    if not all(_is_long_enough(key) for key in found):
        each = "secrets, each" if len(found) > 1 else "a secret"
        raise SettingsError(
            f"{env} must be {each} of {KEY_BYTES} bytes or more: for example the output of "
            "`openssl rand -hex 32`."
        )
    if not all(_is_plain_secret(key) for key in found):
        raise SettingsError(_key_file(env))
    return found


def header_keys(env: str, value: str) -> tuple[str, ...]:
    """Secret keys that can be sent in a header."""
    found = keys(env, value)
    if not all(re.fullmatch(r"[ -~]+", key) for key in found):
        raise SettingsError(f"{env} is sent in a header, so that it must be printable ASCII.")
    return found


def _split_at_commas(keys: str) -> list[str]:
    parts = [part.strip() for part in keys.split(",")]
    return parts if all(_is_long_enough(part) for part in parts) else [keys]


def _is_long_enough(key: str) -> bool:
    return len(key.encode()) >= KEY_BYTES


def _key_file(env: str) -> str:
    return (
        f"{env} holds a key file, where a random secret is needed: only RUNMANAGER_JWT_PUBLIC_KEY "
        "takes one."
    )


def _is_plain_secret(secret: str) -> bool:
    """Whether ``secret`` may sign by HMAC: a public key's file is known to all."""
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except InvalidKeyError:
        return False
    return True


def public_key_algorithm(pem: str) -> str | None:
    """The one JWT algorithm that a PEM public key checks; None for a key that is none or weak."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:  # noqa: PLR2004  bits
        return "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return "ES256"
    return None


def public_key(env: str, value: str) -> str:
    """A public key that is strong enough to check tokens."""
    # A variable often holds its line breaks as two characters.
    pem = value.replace("\\n", "\n")
    if public_key_algorithm(pem) is None:
        raise SettingsError(
            f"{env} must be a public key in PEM form, RSA of 2048 bits or more or P-256."
        )
    return pem
