"""Signing in and out: who is who, and which sign-ins are still good.

These are the only calls without an actor, because they are what makes one. A sign-in is a session
in the store; a cookie or a token of ours carries its ticket. It is good while its session is, and
while the host's database still has the user as an active admin with the same password.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager import accounts
from runmanager.errors import (
    DatabaseError,
    NoPasswordsError,
    NotAdminError,
    RunManagerError,
    SignedOutError,
    TooManyError,
    WrongPasswordError,
)
from runmanager.records import (
    Actor,
    ProviderSession,
    SessionKind,
    SignedIn,
    SignInMethod,
    StoredSession,
    Ticket,
)
from runmanager.store import sessions, throttles

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    import sqlalchemy as sa

    from runmanager.fingerprints import Fingerprints
    from runmanager.records import Account
    from runmanager.service.access import Access
    from runmanager.service.guessing import Guessing
    from runmanager.store import Store

    CheckPassword = Callable[[str, str], bool]

logger = logging.getLogger(__name__)

TOKEN_SECONDS = 30 * 60.0
CHECKS_AT_ONCE = 2
CHECKS_WAITING = 8
# How long an ended session and a refused try are remembered.
_KEPT_SECONDS = 24 * 3600.0
_FINGERPRINT = "password"
NO_PROVIDER = ProviderSession(None, None)


@dataclass(frozen=True)
class Lifetimes:
    """How long a sign-in lasts at most, and without anything done; in seconds."""

    longest: float = 8 * 3600.0
    idle: float = 30 * 60.0


class SigningIn:
    """Who is who, whether they are an active admin, and which sign-ins are still good.

    ``check_password`` tells whether a password and a hash belong together.
    """

    def __init__(
        self,
        access: Access,
        store: Store,
        fingerprints: Fingerprints,
        guessing: Guessing,
        lifetimes: Lifetimes,
        check_password: CheckPassword,
    ) -> None:
        self._access = access
        self._store = store
        self._fingerprints = fingerprints
        self._guessing = guessing
        self._lifetimes = lifetimes
        self._check_password = check_password
        self._checking = threading.BoundedSemaphore(CHECKS_AT_ONCE)
        self._places = threading.BoundedSemaphore(CHECKS_AT_ONCE + CHECKS_WAITING)
        self._listeners: list[Callable[[], None]] = []

    @property
    def has_passwords(self) -> bool:
        """Whether the host's users have passwords: where they have none, nobody is asked for one.

        It is as the schema was read last.
        """
        return accounts.has_passwords(self._access.host)

    def sign_in(
        self,
        username: str,
        password: str,
        address: str = "",
        *,
        kind: SessionKind = SessionKind.BROWSER,
        device: str = "",
    ) -> SignedIn:
        """A new sign-in of the active admin with this name and password.

        ``address`` is where the try comes from, ``device`` what ``device_of`` gave that browser.
        Raises WrongPasswordError where name and password do not belong together, NotAdminError
        where they do and the user is no active admin, and TooManyError for one try too many. Where
        users have no passwords it is NoPasswordsError for every name, before any is looked at.
        """
        if not self.has_passwords:
            raise NoPasswordsError
        attempt = self._guessing.begin(username, address, device)
        try:
            account = self._checked(username, password)
        except (WrongPasswordError, NotAdminError):
            # Without the name: a password is typed there now and then.
            logger.warning("A sign-in was refused (%s) from %s", kind, address or "here")
            raise
        except RunManagerError:
            self._guessing.undone(attempt)
            raise
        self._guessing.succeeded(attempt)
        return self._begin(account, kind, SignInMethod.PASSWORD)

    def sign_in_as(
        self,
        column: str,
        text: str,
        method: SignInMethod,
        provider_session: ProviderSession = NO_PROVIDER,
    ) -> SignedIn:
        """A new sign-in of the active admin whom a provider or a proxy names.

        ``column`` is what it names them by: id, username or email. Raises NotAdminError for anybody
        else.
        """
        account = self._access.read_accounts(
            lambda connection, host: accounts.admin_by(connection, host, column, text)
        )
        return self._begin(account, SessionKind.BROWSER, method, provider_session)

    def device_of(self, actor: Actor) -> str:
        """What a browser keeps, so that others' guesses do not keep this actor out there."""
        return self._guessing.device_of(actor.username)

    def actor_of(self, ticket: Ticket, *, is_active: bool = False) -> Actor:
        """The admin whose sign-in this is. Raises SignedOutError where it is good no more.

        ``is_active`` says that somebody has just done something, which puts off the end for want
        of that. While the host's database is away, the store's word is good: nothing can be read
        then.
        """
        now = time.time()
        stored = self._stored([ticket], now)
        found = self._actors([ticket], stored).get(ticket.session_id)
        if found is None:
            raise SignedOutError
        # Written at most once in a tenth of what may pass without anything done.
        used_at = stored[ticket.session_id].used_at
        if is_active and now - used_at > min(60.0, self._lifetimes.idle / 10):
            with self._store.write() as connection:
                sessions.touch(connection, key_of(ticket.session_id), now)
        return found

    def actors_of(self, tickets: Collection[Ticket]) -> Mapping[str, Actor]:
        """By session id, the admins of those of these sign-ins that are still good."""
        return self._actors(tickets, self._stored(tickets, time.time()))

    def actor_named(self, name: str, *, is_username: bool) -> Actor:
        """The active admin whom a token of the host's names, by id or by username.

        Raises NotAdminError for anybody else.
        """
        return self.actor_by("username" if is_username else "id", name)

    def actor_by(self, column: str, text: str) -> Actor:
        """The active admin whose ``column`` (id, username or email) is ``text``.

        Raises NotAdminError for anybody else.
        """
        return self._access.read_accounts(
            lambda connection, host: accounts.admin_by(connection, host, column, text).actor
        )

    def method_of(self, ticket: Ticket) -> SignInMethod | None:
        """How this sign-in was made, None for one that the store does not know."""
        with self._store.read() as connection:
            found = sessions.find(connection, key_of(ticket.session_id))
        return found.method if found is not None else None

    def sign_out(self, ticket: Ticket) -> None:
        """End this sign-in, and with it the API tokens that its user was issued."""
        now = time.time()
        with self._store.write() as connection:
            if not _is_live(connection, ticket, now):
                return
            sessions.end(connection, key_of(ticket.session_id), now)
            sessions.end_all(connection, ticket.user_id, now, kind=SessionKind.TOKEN)
        self._tell("signed out", ticket.user_id)

    def sign_out_everywhere(self, ticket: Ticket) -> None:
        """End every sign-in and every issued token of this one's user.

        One that has ended itself ends nothing: its cookie may have been copied.
        """
        now = time.time()
        with self._store.write() as connection:
            if not _is_live(connection, ticket, now):
                return
            sessions.end_all(connection, ticket.user_id, now)
        self._tell("signed out everywhere", ticket.user_id)

    def replace(self, ticket: Ticket) -> None:
        """End this sign-in because the same browser has signed in anew."""
        with self._store.write() as connection:
            sessions.end(connection, key_of(ticket.session_id), time.time())
        self._tell("signed in anew", ticket.user_id)

    def end_by_provider(self, ended: ProviderSession) -> None:
        """End the sign-ins that an identity provider's session has led to.

        Where it names no session, all that its user has begun by it.
        """
        now = time.time()
        with self._store.write() as connection:
            if ended.session is not None:
                sessions.end_by_provider(connection, ended.session, now)
            elif ended.user is not None:
                sessions.end_by_provider_user(connection, ended.user, now)
        self._tell("signed out by the provider", None)

    def on_end(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when sign-ins have been ended here; another instance finds out later.

        It is called in whichever thread ended them.
        """
        self._listeners.append(listener)

    def _tell(self, what: str, user_id: str | None) -> None:
        logger.info("A user has %s: %r", what, user_id)
        for listener in self._listeners:
            listener()

    def _checked(self, username: str, password: str) -> Account:
        account, known_hash = self._access.read_accounts(
            lambda connection, host: accounts.named(connection, host, username)
        )
        # A third of a second on purpose: no connection waits for it.
        with self._place_to_check():
            # The same letters may be written in two ways: which one the host was given is unknown.
            fits = any(self._check_password(one, known_hash) for one in _written(password))
        if account is None or not accounts.has_password(account) or not fits:
            raise WrongPasswordError
        if not account.is_admin:
            raise NotAdminError
        return account

    @contextmanager
    def _place_to_check(self) -> Iterator[None]:
        """Two passwords are checked at once, so that guesses leave the processor to the pages."""
        if not self._places.acquire(blocking=False):
            raise TooManyError(
                "Too many attempts to sign in at once. Wait a moment, then try again.",
                retry_after=2,
            )
        try:
            with self._checking:
                yield
        finally:
            self._places.release()

    def _begin(
        self,
        account: Account,
        kind: SessionKind,
        method: SignInMethod,
        provider_session: ProviderSession = NO_PROVIDER,
    ) -> SignedIn:
        now = time.time()
        session_id = secrets.token_urlsafe(24)
        longest = TOKEN_SECONDS if kind is SessionKind.TOKEN else self._lifetimes.longest
        stored = StoredSession(
            key=key_of(session_id),
            kind=kind,
            method=method,
            user_id=account.user_id,
            username=account.username,
            provider_session=provider_session.session,
            provider_user=provider_session.user,
            created_at=now,
            used_at=now,
            expires_at=now + longest,
        )
        with self._store.write() as connection:
            sessions.create(connection, stored)
            sessions.purge(connection, now - _KEPT_SECONDS)
            throttles.purge(connection, now - _KEPT_SECONDS)
        fingerprint = self._fingerprints.of(_FINGERPRINT, account.password_hash or "")
        ticket = Ticket(session_id, account.user_id, fingerprint)
        logger.info("Signed in (%s, %s): %r", kind, method, account.username)
        return SignedIn(account.actor, ticket, stored.expires_at)

    def _stored(self, tickets: Collection[Ticket], now: float) -> dict[str, StoredSession]:
        """By session id, what the store has of those that are neither over nor another user's."""
        by_key = {key_of(one.session_id): one for one in tickets}
        with self._store.read() as connection:
            found = sessions.live(connection, list(by_key), now)
        return {
            by_key[one.key].session_id: one
            for one in found
            if one.user_id == by_key[one.key].user_id and not self._is_idle(one, now)
        }

    def _actors(
        self, tickets: Collection[Ticket], stored: Mapping[str, StoredSession]
    ) -> dict[str, Actor]:
        """By session id, those of them whom the host's database still has as admins."""
        good = [one for one in tickets if one.session_id in stored]
        if not good:
            return {}
        user_ids = {one.user_id for one in good}
        try:
            standing = self._access.read_accounts(
                lambda connection, host: accounts.standing(connection, host, user_ids)
            )
        except DatabaseError:
            # It says nothing to anybody now, and answers each call for itself.
            return {
                one.session_id: Actor(one.user_id, stored[one.session_id].username) for one in good
            }
        return {
            one.session_id: standing[one.user_id].actor
            for one in good
            if one.user_id in standing and self._has_same_password(one, standing[one.user_id])
        }

    def _is_idle(self, stored: StoredSession, now: float) -> bool:
        return stored.kind is SessionKind.BROWSER and now - stored.used_at > self._lifetimes.idle

    def _has_same_password(self, ticket: Ticket, account: Account) -> bool:
        hashed = account.password_hash or ""
        return self._fingerprints.fits(_FINGERPRINT, hashed, ticket.fingerprint)


def key_of(session_id: str) -> str:
    """What the store knows a session by: from it, nobody can make a cookie."""
    return hashlib.sha256(session_id.encode(errors="surrogatepass")).hexdigest()


def _is_live(connection: sa.Connection, ticket: Ticket, now: float) -> bool:
    found = sessions.live(connection, [key_of(ticket.session_id)], now)
    return any(one.user_id == ticket.user_id for one in found)


def _written(password: str) -> tuple[str, ...]:
    forms = (password, *(unicodedata.normalize(form, password) for form in ("NFC", "NFD")))
    return tuple(dict.fromkeys(forms))
