"""What the log says at the start about who cannot sign in with a password, and what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runmanager import accounts

if TYPE_CHECKING:
    import sqlalchemy as sa

    from runmanager.host.values import Host
    from runmanager.settings import Settings

_SINGLE_SIGN_ON = (
    "RUNMANAGER_OIDC_ISSUER with RUNMANAGER_OIDC_CLIENT_ID and RUNMANAGER_OIDC_CLIENT_SECRET, or "
    "RUNMANAGER_PROXY_USER_HEADER with RUNMANAGER_PROXY_SECRET and RUNMANAGER_TRUSTED_PROXIES"
)
_TOKEN_KEYS = "RUNMANAGER_JWT_SECRET or RUNMANAGER_JWT_PUBLIC_KEY"  # noqa: S105  their names


def said_at_the_start(settings: Settings, connection: sa.Connection, host: Host) -> list[str]:
    """A sentence for each thing about passwords that an admin would wonder at."""
    if not accounts.has_passwords(host):
        return [_without_passwords(settings)]
    unknown, everyone = accounts.unknown_hashes(connection, host)
    sentence = (
        f"{unknown} of {everyone} active administrators cannot sign in with their password: its "
        "hash is of no scheme that is checked here, or asks for more than is computed here; "
        "docs/security.md names both."
    )
    return [sentence] if unknown else []


def _without_passwords(settings: Settings) -> str:
    """What is left where the host's users have no passwords."""
    ways = []
    if settings.oidc_issuer:
        ways.append(f"single sign-on by {settings.oidc_issuer}")
    if settings.proxy_user_header:
        ways.append("single sign-on by the proxy in front")
    has_tokens = bool(settings.jwt_secrets or settings.jwt_public_key)
    tokens = "API tokens that your application signs"
    why = "“users” has no column “password_hash”"
    if ways:
        left = [*ways, tokens] if has_tokens else ways
        return f"Nobody can sign in with a password, because {why}: what is left is {_all(left)}."
    if has_tokens:
        return (
            f"Nobody can sign in to the dashboard, because {why} and there is no single sign-on: "
            f"what is left is {tokens}; for the dashboard set {_SINGLE_SIGN_ON}."
        )
    return (
        f"Nobody can sign in at all, because {why} and there is neither single sign-on nor a key "
        f"for API tokens: for the dashboard set {_SINGLE_SIGN_ON}, for the API {_TOKEN_KEYS}."
    )


def _all(ways: list[str]) -> str:
    *first, last = ways
    return f"{', '.join(first)} and {last}" if first else last
