"""Everything configurable: read once from the environment, then frozen."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runmanager import setting_values as value
from runmanager.conventions import UTC_ZONE, Conventions
from runmanager.errors import SettingsError
from runmanager.setting_sources import secret_text, variable_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from zoneinfo import ZoneInfo

    import sqlalchemy as sa

_CHECKOUT = Path(__file__).resolve().parents[1]


def _setting(
    env: str,
    doc: str,
    parse: Callable[[str, str], Any],
    *,
    default: Any,
    secret: bool = False,
    may_be_file: bool = False,
) -> Any:
    return field(
        default=default,
        repr=not secret,
        metadata={
            "env": env,
            "doc": doc,
            "parse": parse,
            "may_be_file": secret or may_be_file,
        },
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the process was told. A field carries its variable and its line of docs/settings.md.

    ``database_url`` is None when the demo's own PostgreSQL is to be used. Of several keys the first
    signs, and each is good to check with.
    """

    database_url: sa.URL | None = _setting(
        "DATABASE_URL",
        "The host's database, `postgresql://user:password@host:5432/name`. "
        "Without it the demo starts its own.",
        value.database_url,
        default=None,
        secret=True,
    )
    read_url: sa.URL | None = _setting(
        "RUNMANAGER_READ_URL",
        "A read replica of it. Runs are read there; deletions, and who is an admin, stay with "
        "`DATABASE_URL`.",
        value.database_url,
        default=None,
        secret=True,
    )
    trace_tables: tuple[str, ...] = _setting(
        "RUNMANAGER_TRACE_TABLES",
        "Further tables, separated by commas, whose rows go with a run; one that is not on the "
        "`search_path` with its schema.",
        value.names,
        default=(),
    )
    running_words: tuple[str, ...] = _setting(
        "RUNMANAGER_RUNNING_WORDS",
        "Further statuses, separated by commas, of runs that still run: a deletion leaves those "
        "out unless told otherwise.",
        value.names,
        default=(),
    )
    timestamp_zone: ZoneInfo = _setting(
        "RUNMANAGER_TIMESTAMP_ZONE",
        "The time zone, such as Europe/Berlin, of the host's times that name none.",
        value.zone,
        default=UTC_ZONE,
    )
    statement_timeout: float = _setting(
        "RUNMANAGER_STATEMENT_TIMEOUT",
        "Seconds after which a reading statement is stopped.",
        value.number("seconds", 0.01, 3600),
        default=5.0,
    )
    lock_timeout: float = _setting(
        "RUNMANAGER_LOCK_TIMEOUT",
        "Seconds a deletion waits for a row that another session holds.",
        value.number("seconds", 0.01, 3600),
        default=2.0,
    )
    pool_size: int = _setting(
        "RUNMANAGER_POOL_SIZE",
        "Most connections to the database at once, and to its replica. One admin reads with half "
        "of them at the most.",
        value.count(2, 200),
        default=10,
    )
    cookie_keys: tuple[str, ...] = _setting(
        "RUNMANAGER_COOKIE_KEY",
        "Signs the sign-in cookie: a secret of 32 bytes or more, or several. Needed with "
        "`DATABASE_URL`.",
        value.keys,
        default=(),
        secret=True,
    )
    session_hours: float = _setting(
        "RUNMANAGER_SESSION_HOURS",
        "Hours after which one has to sign in again, 168 at the most.",
        value.number("hours", 0.01, 168),
        default=8.0,
    )
    session_idle_minutes: float = _setting(
        "RUNMANAGER_SESSION_IDLE_MINUTES",
        "Minutes without a click after which one has to sign in again.",
        value.number("minutes", 0.01, 10080),
        default=30.0,
    )
    allowed_hosts: tuple[str, ...] = _setting(
        "RUNMANAGER_ALLOWED_HOSTS",
        "The hosts under which it is served, separated by commas, each with or without a port: "
        "`runs.example.org`, `*.example.org`, `localhost:8501`. Without it, any.",
        value.hosts,
        default=(),
    )
    trusted_proxies: tuple[value.Network, ...] = _setting(
        "RUNMANAGER_TRUSTED_PROXIES",
        "The proxies whose `X-Forwarded-` headers are believed, as addresses or networks "
        "(CIDR), separated by commas. Without it, none.",
        value.networks,
        default=(),
    )
    oidc_issuer: str = _setting(
        "RUNMANAGER_OIDC_ISSUER",
        "Single sign-on by OpenID Connect: the provider's address, as it names itself. Goes with "
        "the next two.",
        value.issuer,
        default="",
    )
    oidc_client_id: str = _setting(
        "RUNMANAGER_OIDC_CLIENT_ID",
        "The name under which the provider knows Run Manager.",
        value.line,
        default="",
    )
    oidc_client_secret: str = _setting(
        "RUNMANAGER_OIDC_CLIENT_SECRET",
        "The secret that belongs to that name.",
        value.line,
        default="",
        secret=True,
    )
    oidc_claim: str = _setting(
        "RUNMANAGER_OIDC_CLAIM",
        "The claim that names the user. Needed where it does not hold their username.",
        value.claim,
        default="preferred_username",
    )
    oidc_matches: str = _setting(
        "RUNMANAGER_OIDC_MATCHES",
        "What that claim holds: the user's `id`, their `username` or their `email`.",
        value.one_of("id", "username", "email"),
        default="username",
    )
    oidc_scopes: str = _setting(
        "RUNMANAGER_OIDC_SCOPES",
        "What is asked of the provider, separated by blanks.",
        value.scopes,
        default="openid profile email",
    )
    proxy_user_header: str = _setting(
        "RUNMANAGER_PROXY_USER_HEADER",
        "Single sign-on by a proxy: the header in which it names the user, such as "
        "`X-Remote-User`. Goes with the next and with `RUNMANAGER_TRUSTED_PROXIES`.",
        value.header,
        default="",
    )
    proxy_secrets: tuple[str, ...] = _setting(
        "RUNMANAGER_PROXY_SECRET",
        "What that proxy sends in `X-Run-Manager-Proxy-Secret`: a secret of 32 bytes or more, or "
        "several.",
        value.header_keys,
        default=(),
        secret=True,
    )
    proxy_matches: str = _setting(
        "RUNMANAGER_PROXY_MATCHES",
        "What the header holds: the user's `id`, their `username` or their `email`.",
        value.one_of("id", "username", "email"),
        default="username",
    )
    jwt_secrets: tuple[str, ...] = _setting(
        "RUNMANAGER_JWT_SECRET",
        "Checks (HS256) and issues API tokens: a secret of 32 bytes or more, or several, not the "
        "cookie's.",
        value.keys,
        default=(),
        secret=True,
    )
    jwt_public_key: str = _setting(
        "RUNMANAGER_JWT_PUBLIC_KEY",
        "Checks the host's own API tokens: a PEM public key, RSA (RS256) or P-256 (ES256).",
        value.public_key,
        default="",
        may_be_file=True,
    )
    jwt_issuer: str = _setting(
        "RUNMANAGER_JWT_ISSUER",
        "The issuer (`iss`) that a token must name.",
        value.text,
        default="",
    )
    jwt_audience: str = _setting(
        "RUNMANAGER_JWT_AUDIENCE",
        "The audience (`aud`) that a token must name.",
        value.text,
        default="",
    )
    jwt_claim: str = _setting(
        "RUNMANAGER_JWT_CLAIM", "The claim that names the user.", value.claim, default="sub"
    )
    jwt_names: str = _setting(
        "RUNMANAGER_JWT_NAMES",
        "What that claim holds: the user's `id` or their `username`.",
        value.one_of("id", "username"),
        default="id",
    )
    openapi: str = _setting(
        "RUNMANAGER_OPENAPI",
        "Who may read the API's description, `openapi.json`: who has a `token`, or the `public`.",
        value.one_of("token", "public"),
        default="token",
    )
    state_dir: Path | None = _setting(
        "RUNMANAGER_STATE_DIR",
        "The folder of Run Manager's own data, such as who is signed in: by default `.state` "
        "beside `app.py`, and the demo's inside its own folder.",
        value.folder,
        default=None,
    )
    state_url: sa.URL | None = _setting(
        "RUNMANAGER_STATE_URL",
        "A PostgreSQL database of its own for that data, which several instances share, instead of "
        "a file in that folder.",
        value.database_url,
        default=None,
        secret=True,
    )
    archive: str = _setting(
        "RUNMANAGER_ARCHIVE",
        "Where the rows of deleted runs are kept, to be put back from: a folder, or the address of "
        "an object store such as `s3://bucket/folder`; `off` for nowhere. By default `archive` in "
        "`RUNMANAGER_STATE_DIR`. Needed with `RUNMANAGER_STATE_URL`.",
        value.archive,
        default="",
    )
    archive_days: float = _setting(
        "RUNMANAGER_ARCHIVE_DAYS",
        "Days for which the rows of a deletion are kept there.",
        value.number("days", 0.001, 36_500),
        default=30.0,
    )
    active_minutes: float = _setting(
        "RUNMANAGER_ACTIVE_MINUTES",
        "A run with a checkpoint or a log line of so many last minutes is active, and is left out "
        "as one that runs is; 0 to look at the status only.",
        value.number("minutes", 0, 525_600),
        default=5.0,
    )
    reason_above: int | None = _setting(
        "RUNMANAGER_REASON_ABOVE",
        "Whoever deletes more runs than this must say why. `DELETE /runs`, which cannot say it, is "
        "refused then: start a plan by `POST /operations`. Without it nobody must.",
        value.count(0, 1_000_000),
        default=None,
    )
    demo_dir: Path = _setting(
        "RUNMANAGER_DEMO_DIR",
        "Where the demo keeps its database: by default `.demo` beside `app.py`.",
        value.folder,
        default=_CHECKOUT / ".demo",
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """The settings that ``environ`` holds, and the files that it names.

        Raises SettingsError, in one sentence and without the value, for the first one that is
        malformed or missing.
        """
        values: dict[str, Any] = {}
        for setting in fields(cls):
            env = setting.metadata["env"]
            read = secret_text if setting.metadata["may_be_file"] else variable_text
            if text := read(environ, env):
                values[setting.name] = setting.metadata["parse"](env, text)
        settings = cls(**values)
        settings._require_what_goes_together(values.keys())
        settings._require_one_job_a_key()
        return settings

    @property
    def conventions(self) -> Conventions:
        """What the settings say of the host's tables, statuses and times."""
        return Conventions(self.trace_tables, frozenset(self.running_words), self.timestamp_zone)

    @property
    def state_folder(self) -> Path:
        """The folder of the store, for a host's database; the demo has one of its own."""
        return self.state_dir if self.state_dir is not None else _CHECKOUT / ".state"

    def _require_what_goes_together(self, given: Collection[str]) -> None:
        """Raises SettingsError for a setting that is of no use, or unsafe, without another."""
        if self.state_url is not None and not self.archive:
            raise SettingsError(
                "RUNMANAGER_ARCHIVE must be set with RUNMANAGER_STATE_URL: a folder or an object "
                "store that every instance reaches, or `off`."
            )
        if self.database_url is not None and not self.cookie_keys:
            raise SettingsError(
                f"RUNMANAGER_COOKIE_KEY must be a secret of {value.KEY_BYTES} bytes or more when "
                "DATABASE_URL is set: for example the output of `openssl rand -hex 32`."
            )
        if self.read_url is not None and self.database_url is None:
            raise SettingsError(
                "RUNMANAGER_READ_URL needs DATABASE_URL, the database that it is a replica of."
            )
        _require_all(given, _OIDC, wanted_by=_OIDC)
        _require_all(given, _PROXY, wanted_by=("proxy_user_header", "proxy_secrets"))
        if self.oidc_issuer and self.oidc_matches != "username" and "oidc_claim" not in given:
            raise SettingsError(
                "RUNMANAGER_OIDC_CLAIM is needed with this RUNMANAGER_OIDC_MATCHES: a username "
                "that the provider lets its owner choose is neither an id nor an e-mail address."
            )

    def _require_one_job_a_key(self) -> None:
        """Raises SettingsError for a key with two jobs: who may do one could do the other."""
        keys = {
            "cookie_keys": self.cookie_keys,
            "jwt_secrets": self.jwt_secrets,
            "proxy_secrets": self.proxy_secrets,
            "oidc_client_secret": (self.oidc_client_secret,) if self.oidc_client_secret else (),
        }
        for one, other in combinations(keys, 2):
            if set(keys[one]) & set(keys[other]):
                raise SettingsError(
                    f"{_variable(one)} and {_variable(other)} must differ: a key has one job."
                )


_OIDC = ("oidc_issuer", "oidc_client_id", "oidc_client_secret")
_PROXY = ("proxy_user_header", "proxy_secrets", "trusted_proxies")


def _require_all(
    given: Collection[str], group: tuple[str, ...], wanted_by: tuple[str, ...]
) -> None:
    """Raises SettingsError where one of ``wanted_by`` is given, but not all of ``group``."""
    missing = [_variable(name) for name in group if name not in given]
    if missing and any(name in given for name in wanted_by):
        *first, last = (_variable(name) for name in group)
        raise SettingsError(
            f"{', '.join(first)} and {last} go together: set {' and '.join(missing)} too."
        )


def _variable(name: str) -> str:
    env: str = Settings.__dataclass_fields__[name].metadata["env"]
    return env
