"""What a request says of itself, and how much of it is believed.

A header that a proxy sets is believed from the configured proxies only: anybody else may write
whatever they like into it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from starlette.types import Scope

# uvicorn gives an address that it took from a header this port; it believes loopback only.
_PORT_OF_FORWARDED = 0
_LOOPBACK = "127.0.0.1"
MAX_COOKIES = 16_000
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class Trust:
    """Which hosts may be asked for (none named: any), and which proxies are believed."""

    hosts: tuple[str, ...] = ()
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()

    def is_proxy(self, address: str) -> bool:
        """Whether what this peer says of its clients is believed."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        found = getattr(found, "ipv4_mapped", None) or found
        return any(found in network for network in self.proxies)

    def serves(self, host: str) -> bool:
        """Whether a request to this host, with or without a port, is answered."""
        if not self.hosts:
            return True
        host = host.lower()
        name = host.rsplit(":", 1)[0] if host.rsplit(":", 1)[-1].isdigit() else host
        return any(
            (wanted.startswith("*.") and name.rstrip(".").endswith(wanted[1:]))
            or wanted in {host, name.rstrip(".")}
            for wanted in map(str.lower, self.hosts)
        )


@dataclass(frozen=True)
class Asked:
    """One request or handshake. ``path`` is below the base path, None for one that is not."""

    method: str
    path: str | None
    query: str
    headers: tuple[tuple[bytes, bytes], ...]
    peer: str
    address: str
    is_tls: bool

    def header(self, name: bytes) -> str | None:
        """The one value of a header; None where it is missing or there is more than one."""
        found = [value for key, value in self.headers if key == name]
        return found[0].decode("latin-1") if len(found) == 1 else None

    def cookie(self, name: str) -> str | None:
        """The value of a cookie; None where it is missing, or where it cannot be read."""
        for part in self._cookies():
            key, _is, value = part.strip().partition("=")
            if key == name:
                return value
        return None

    def cookie_names(self, prefix: str) -> list[str]:
        """The names of the cookies that begin so, each once; none where they cannot be read."""
        names = (part.strip().partition("=")[0] for part in self._cookies())
        return list(dict.fromkeys(name for name in names if name.startswith(prefix)))

    def parameter(self, name: str) -> str:
        """A query parameter; empty where it is missing or cannot be read."""
        try:
            pairs = parse_qsl(self.query, keep_blank_values=True, max_num_fields=100)
        except ValueError:
            return ""
        return dict(pairs).get(name, "")

    @property
    def host(self) -> str:
        """The host that was asked for, as the browser names it; empty where it is unclear."""
        return self.header(b"host") or ""

    @property
    def is_of_own_origin(self) -> bool:
        """Whether a page of this very host has sent it, as its browser says."""
        origin = self.header(b"origin")
        if origin is None or not self.host:
            return False
        try:
            found = urlsplit(origin)
        except ValueError:
            return False
        return found.scheme in {"http", "https"} and found.netloc.lower() == self.host.lower()

    @property
    def is_over_tls(self) -> bool:
        """Whether the browser speaks TLS: as the connection, a proxy or the browser itself says."""
        return self.is_tls or (self.is_of_own_origin and self._origin_scheme == "https")

    @property
    def origin(self) -> str | None:
        """The address of this host as the browser sees it, without a path; None where unclear."""
        scheme = "https" if self.is_tls else "http"
        return f"{scheme}://{self.host}" if _HOST.fullmatch(self.host) else None

    def _cookies(self) -> list[str]:
        raw = b"; ".join(value for key, value in self.headers if key == b"cookie")
        return raw.decode("latin-1").split(";") if len(raw) <= MAX_COOKIES else []

    @property
    def _origin_scheme(self) -> str:
        return urlsplit(self.header(b"origin") or "").scheme


def read(scope: Scope, base: str, trust: Trust) -> Asked:
    """What ``scope`` asks for, below the base path ``base`` ("" or "/a/b")."""
    headers = tuple((key.lower(), value) for key, value in scope["headers"])
    client = scope.get("client") or ("", 1)
    peer = _LOOPBACK if client[1] == _PORT_OF_FORWARDED else client[0]
    forwarded = _Forwarded(headers) if trust.is_proxy(peer) else None
    scheme = "https" if scope.get("scheme") in {"https", "wss"} else "http"
    if client[1] == _PORT_OF_FORWARDED:
        scheme = "http"
    if forwarded is not None:
        scheme = forwarded.scheme or scheme
    path: str = scope["path"]
    return Asked(
        method=scope.get("method", "GET"),
        path=path[len(base) :] if path.startswith(f"{base}/") else None,
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        peer=peer,
        address=(forwarded.address(trust) if forwarded is not None else None) or peer,
        is_tls=scheme == "https",
    )


class _Forwarded:
    """What a believed proxy says of its client."""

    def __init__(self, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        self._for = ",".join(
            value.decode("latin-1") for key, value in headers if key == b"x-forwarded-for"
        )
        proto = [value for key, value in headers if key == b"x-forwarded-proto"]
        self.scheme = (
            proto[0].decode("latin-1").strip().lower()
            if len(proto) == 1 and proto[0].strip().lower() in {b"http", b"https"}
            else None
        )

    def address(self, trust: Trust) -> str | None:
        """The last address that is not a proxy's of ours: those before it may be made up."""
        for one in reversed([part.strip() for part in self._for.split(",") if part.strip()]):
            try:
                ip_address(one)
            except ValueError:
                return None
            if not trust.is_proxy(one):
                return one
        return None
