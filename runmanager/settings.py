"""Everything configurable: read once from the environment, then frozen."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

from runmanager.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_BYTES = 32
_TIMES_AND_PLACES = {"iss", "aud", "exp", "nbf", "iat", "jti"}


def _setting(env: str, doc: str, *, secret: bool = False, **kwargs: Any) -> Any:
    return field(repr=not secret, metadata={"env": env, "doc": doc}, **kwargs)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the process was told. A field carries its variable and its line of docs/settings.md.

    ``database_url`` is None when the demo's own PostgreSQL is to be used.
    """

    database_url: sa.URL | None = _setting(
        "DATABASE_URL",
        "The host's database, `postgresql://user:password@host:5432/name`. "
        "Without it the demo starts its own.",
        default=None,
        secret=True,
    )
    read_url: sa.URL | None = _setting(
        "RUNMANAGER_READ_URL",
        "A read replica of it. Runs are read there; deletions, and who is an admin, stay with "
        "`DATABASE_URL`.",
        default=None,
        secret=True,
    )
    cookie_key: str = _setting(
        "RUNMANAGER_COOKIE_KEY",
        "Signs the sign-in cookie: a secret of 32 bytes or more. Needed with `DATABASE_URL`.",
        default="",
        secret=True,
    )
    trace_tables: tuple[str, ...] = _setting(
        "RUNMANAGER_TRACE_TABLES",
        "Further tables with a `thread_id`, separated by commas, whose rows go with a run.",
        default=(),
    )
    statement_timeout: float = _setting(
        "RUNMANAGER_STATEMENT_TIMEOUT",
        "Seconds after which a reading statement is stopped.",
        default=5.0,
    )
    lock_timeout: float = _setting(
        "RUNMANAGER_LOCK_TIMEOUT",
        "Seconds a deletion waits for a row that another session holds.",
        default=2.0,
    )
    pool_size: int = _setting(
        "RUNMANAGER_POOL_SIZE",
        "Most connections to the database at once, and to its replica. One admin reads with half "
        "of them at the most.",
        default=10,
    )
    jwt_secret: str = _setting(
        "RUNMANAGER_JWT_SECRET",
        "Checks (HS256) and issues API tokens: a secret of 32 bytes or more, not the cookie's.",
        default="",
        secret=True,
    )
    jwt_public_key: str = _setting(
        "RUNMANAGER_JWT_PUBLIC_KEY",
        "Checks the host's own API tokens: a PEM public key, RSA (RS256) or P-256 (ES256).",
        default="",
    )
    jwt_issuer: str = _setting(
        "RUNMANAGER_JWT_ISSUER", "The issuer (`iss`) that a token must name.", default=""
    )
    jwt_audience: str = _setting(
        "RUNMANAGER_JWT_AUDIENCE", "The audience (`aud`) that a token must name.", default=""
    )
    jwt_claim: str = _setting(
        "RUNMANAGER_JWT_CLAIM", "The claim that names the user.", default="sub"
    )
    jwt_names: str = _setting(
        "RUNMANAGER_JWT_NAMES",
        "What that claim holds: the user's `id` or their `username`.",
        default="id",
    )
    demo_dir: Path = _setting(
        "RUNMANAGER_DEMO_DIR",
        "Where the demo keeps its database: by default `.demo` beside `app.py`.",
        default=Path(__file__).resolve().parents[1] / ".demo",
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """The settings that ``environ`` holds.

        Raises SettingsError, in one sentence and without the value, for the first one that is
        malformed or missing.
        """
        values: dict[str, Any] = {}
        for setting in fields(cls):
            text = environ.get(setting.metadata["env"], "").strip()
            if not _is_text(text):
                raise SettingsError(f"{setting.metadata['env']} is not UTF-8 text.")
            if text:
                values[setting.name] = _PARSERS[setting.name](setting.metadata["env"], text)
        settings = cls(**values)
        key_bytes = len(settings.cookie_key.encode())
        if settings.database_url is not None and key_bytes < KEY_BYTES:
            raise SettingsError(
                f"RUNMANAGER_COOKIE_KEY must be a secret of {KEY_BYTES} bytes or more when "
                "DATABASE_URL is set: for example the output of `openssl rand -hex 32`."
            )
        if settings.read_url is not None and settings.database_url is None:
            raise SettingsError(
                "RUNMANAGER_READ_URL needs DATABASE_URL, the database that it is a replica of."
            )
        settings.require_safe_keys()
        return settings

    def require_safe_keys(self) -> None:
        """Raises SettingsError for a token key that is weak or that does two jobs."""
        if self.jwt_secret and len(self.jwt_secret.encode()) < KEY_BYTES:
            raise SettingsError(f"RUNMANAGER_JWT_SECRET must be {KEY_BYTES} bytes or more.")
        if self.jwt_secret and self.jwt_secret == self.cookie_key:
            raise SettingsError(
                "RUNMANAGER_JWT_SECRET and RUNMANAGER_COOKIE_KEY must differ: a key has one job."
            )
        if self.jwt_secret and not _is_plain_secret(self.jwt_secret):
            raise SettingsError(
                "RUNMANAGER_JWT_SECRET holds a key file, where a random secret is needed: set "
                "RUNMANAGER_JWT_PUBLIC_KEY to check tokens by a public key."
            )


def _is_text(text: str) -> bool:
    # A variable's bytes that are no UTF-8 come as halves of characters.
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _is_plain_secret(secret: str) -> bool:
    """Whether ``secret`` may sign by HS256: a public key's file is known to all."""
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except InvalidKeyError:
        return False
    return True


def _claim(env: str, text: str) -> str:
    if text in _TIMES_AND_PLACES:
        raise SettingsError(f"{env} must be a claim that names a user, which “{text}” is not.")
    return text


def _database_url(env: str, text: str) -> sa.URL:
    shape = "it should look like postgresql://user:password@host:5432/database"
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise SettingsError(f"{env} is malformed: {shape}.") from None
    if url.drivername not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise SettingsError(f"{env} is not the address of a PostgreSQL database: {shape}.")
    return url.set(drivername="postgresql+psycopg")


def _names(_env: str, text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _seconds(env: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.01 <= seconds <= 3600:  # noqa: PLR2004  a hundredth of a second to an hour
        raise SettingsError(f"{env} must be a number of seconds between 0.01 and 3600.")
    return seconds


def _count(env: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 2 <= int(text[:9]) <= 200:  # noqa: PLR2004
        raise SettingsError(f"{env} must be a whole number between 2 and 200.")
    return int(text)


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


def _public_key(env: str, text: str) -> str:
    # A variable often holds its line breaks as two characters.
    pem = text.replace("\\n", "\n")
    if public_key_algorithm(pem) is None:
        raise SettingsError(
            f"{env} must be a public key in PEM form, RSA of 2048 bits or more or P-256."
        )
    return pem


def _id_or_username(env: str, text: str) -> str:
    if text not in {"id", "username"}:
        raise SettingsError(f"{env} must be “id” or “username”.")
    return text


_PARSERS: dict[str, Any] = {
    "database_url": _database_url,
    "read_url": _database_url,
    "cookie_key": lambda _env, text: text,
    "trace_tables": _names,
    "jwt_secret": lambda _env, text: text,
    "jwt_public_key": _public_key,
    "jwt_issuer": lambda _env, text: text,
    "jwt_audience": lambda _env, text: text,
    "jwt_claim": _claim,
    "jwt_names": _id_or_username,
    "statement_timeout": _seconds,
    "lock_timeout": _seconds,
    "pool_size": _count,
    "demo_dir": lambda _env, text: Path(text),
}
