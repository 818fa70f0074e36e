"""Single sign-on by a proxy that has asked who somebody is, and says so in a header.

Anybody can write a header. So it counts only from the address of a configured proxy, beside a
secret that this proxy alone knows, and once: a proxy that hands on what its client wrote has
written none of its own. From the first page on the session cookie is what counts, as for everybody.
"""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runmanager.entrance.calls import call
from runmanager.entrance.doors import RETRY_SECONDS
from runmanager.errors import NotAdminError, RunManagerError
from runmanager.records import SignInMethod
from runmanager.setting_values import PROXY_SECRET_HEADER

if TYPE_CHECKING:
    from starlette.responses import Response

    from runmanager.entrance.doors import Doors
    from runmanager.entrance.identity import Identity
    from runmanager.entrance.requests import Asked, Trust
    from runmanager.records import Ticket

logger = logging.getLogger(__name__)

SECRET_HEADER = PROXY_SECRET_HEADER.lower().encode()
MAX_NAME = 500
NOBODY = (
    "The proxy in front of Run Manager knows you, but you are not an active administrator here. "
    "Ask an administrator to give you the role."
)


@dataclass(frozen=True)
class ProxySignOn:
    """Signs in whom a proxy names in ``header``; ``matches`` is by what: id, username or email."""

    doors: Doors
    trust: Trust
    header: bytes
    secrets: tuple[str, ...] = field(repr=False)
    matches: str

    def named(self, asked: Asked) -> str | None:
        """Whom the proxy names; None where no proxy that is believed names anybody."""
        if not self.trust.is_proxy(asked.peer):
            return None
        if not self._has_secret(asked):
            if any(name == self.header for name, _value in asked.headers):
                logger.warning("A proxy names a user, but not with the secret: it is not believed")
            return None
        try:
            name = (asked.header(self.header) or "").encode("latin-1").decode()
        except UnicodeDecodeError:
            return None
        return name if name.strip() and name.isprintable() and len(name) <= MAX_NAME else None

    async def sign_in(
        self, name: str, asked: Asked, found: Identity | None, ticket: Ticket | None, wanted: str
    ) -> Response | None:
        """Sign in whom the proxy names; None where they are signed in already.

        ``found`` is who is signed in by the cookie's ``ticket``: where that is somebody else, their
        sign-in ends.
        """
        signing_in = self.doors.service.signing_in
        try:
            if found is not None and await self._is(name, found):
                return None
            signed_in = await call(signing_in.sign_in_as, self.matches, name, SignInMethod.PROXY)
            return await self.doors.let_in(signed_in, asked, wanted, ticket)
        except NotAdminError:
            logger.warning("Not signed in by the proxy: no active administrator, or several")
            return await self._turn_away(ticket)
        except RunManagerError as error:
            return self._away(error)

    async def _is(self, name: str, found: Identity) -> bool:
        """Whether that is who is signed in; the host's database is asked only for an address."""
        if self.matches == "username":
            return found.actor.username == name
        if self.matches == "id":
            return found.actor.user_id == name
        actor = await call(self.doors.service.signing_in.actor_by, self.matches, name)
        return actor.user_id == found.actor.user_id

    async def _turn_away(self, ticket: Ticket | None) -> Response:
        if ticket is not None:
            try:
                await call(self.doors.service.signing_in.replace, ticket)
            except RunManagerError as error:
                return self._away(error)
        page = self.doors.page.message("Not signed in", NOBODY, 403)
        return self.doors.without_cookie(page)

    def _away(self, error: RunManagerError) -> Response:
        return self.doors.page.message(
            "Not signed in", error.message, 503, {"Retry-After": RETRY_SECONDS}
        )

    def _has_secret(self, asked: Asked) -> bool:
        given = (asked.header(SECRET_HEADER) or "").encode("latin-1")
        return any(hmac.compare_digest(one.encode(), given) for one in self.secrets)
