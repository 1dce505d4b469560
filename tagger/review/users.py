"""Who may review: accounts with a role, logins that are throttled, sessions that live in the store.

Passwords are kept as Argon2id hashes. A session's token is known to the browser only: the store holds its SHA-256.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tagger.errors import ReviewError
from tagger.review.content import storable
from tagger.review.database import reading, writing
from tagger.review.items import Role
from tagger.review.schema import metadata

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 256
IDLE_SECONDS = 60 * 60
SESSION_SECONDS = 12 * 60 * 60
THROTTLE_SECONDS = 15 * 60
ATTEMPTS_A_NAME = 10  # logins without success in THROTTLE_SECONDS, before further ones are refused unread
ATTEMPTS_AN_ADDRESS = 30
_SEEN_EVERY = 60  # seconds; a session's last use is not written at every click
_NAME = re.compile(r"[\w.@+-]{1,64}")

users_table = sa.Table(
    "users",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("password", sa.Text, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
)
sessions_table = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, sa.ForeignKey("users.name"), nullable=False),
    sa.Column("csrf", sa.Text, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("seen", sa.BigInteger, nullable=False),
)
sa.Index("sessions_name", sessions_table.c.name)
attempts_table = sa.Table(
    "login_attempts",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
)
sa.Index("login_attempts_at", attempts_table.c.at)


class UserError(ReviewError):
    """An account cannot be made or changed as asked."""


class LoginError(ReviewError):
    """Name or password are wrong or the account is disabled; ``throttled`` where too many logins failed before."""

    def __init__(self, message: str, *, throttled: bool = False) -> None:
        super().__init__(message)
        self.throttled = throttled


@dataclass(frozen=True, slots=True)
class User:
    """An account, without its password."""

    name: str
    role: Role
    disabled: bool
    created: int

    @property
    def may_decide(self) -> bool:
        """Whether the role decides at all."""
        return self.role in (Role.REVIEWER, Role.ADJUDICATOR)


@dataclass(frozen=True, slots=True)
class Session:
    """A login that holds: its user, and the secret that every form of this session carries."""

    user: User
    csrf: str


class Users:
    """Accounts and sessions beside the items of a review store.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The store's; its migrations made the tables.
    clock : callable
        Seconds since 1970, for tests of expiry.

    Examples
    --------
    >>> import tempfile
    >>> from tagger.review.database import open_engine
    >>> folder = tempfile.TemporaryDirectory()
    >>> engine = open_engine(f"{folder.name}/queue.sqlite")
    >>> users = Users(engine)
    >>> users.add("mei", Role.REVIEWER, "correct horse battery").role
    <Role.REVIEWER: 'reviewer'>
    >>> token = users.log_in("mei", "correct horse battery", "127.0.0.1")
    >>> users.session(token).user.name
    'mei'
    >>> users.log_in("mei", "a guess", "127.0.0.1")
    Traceback (most recent call last):
    ...
    tagger.review.users.LoginError: name or password is wrong
    >>> engine.dispose(); folder.cleanup()
    """

    def __init__(self, engine: sa.Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    def add(self, name: str, role: Role, password: str) -> User:
        """Make an account.

        Raises
        ------
        UserError
            Where the name is taken or no name, or the password is too short.
        """
        if not _NAME.fullmatch(name):
            raise UserError(f"{name[:70]!r} is no user name: use letters, digits and . _ - + @, at most 64")
        values = {"name": name, "role": str(Role(role)), "password": _hashed(name, password), "disabled": False}
        with writing(self._engine) as connection:
            try:
                connection.execute(users_table.insert().values(created=self._now(), **values))
            except sa.exc.IntegrityError:
                taken = f"there is a user {name} already: `tagger review user passwd {name}` changes the password"
                raise UserError(taken) from None
        return self.get(name)

    def get(self, name: str) -> User:
        """Return the account.

        Raises
        ------
        UserError
            Where there is none.
        """
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(users_table).where(users_table.c.name == name)).first()
        if row is None:
            raise UserError(f"no user {name[:70]!r}: `tagger review user list` shows all")
        return _user(row)

    def list(self) -> list[User]:
        """All accounts, by name."""
        with reading(self._engine) as connection:
            return [_user(row) for row in connection.execute(sa.select(users_table).order_by(users_table.c.name))]

    def set_password(self, name: str, password: str) -> None:
        """Change a password; the user's sessions end."""
        self._change(name, password=_hashed(name, password))

    def set_disabled(self, name: str, disabled: bool) -> None:
        """Close an account, or open it again; its sessions end."""
        self._change(name, disabled=disabled)

    def set_role(self, name: str, role: Role) -> None:
        """Change a role; the user's sessions end."""
        self._change(name, role=str(Role(role)))

    def _change(self, name: str, **values: object) -> None:
        self.get(name)
        with writing(self._engine) as connection:
            connection.execute(users_table.update().where(users_table.c.name == name).values(**values))
            connection.execute(sessions_table.delete().where(sessions_table.c.name == name))

    def log_in(self, name: str, password: str, address: str) -> str:
        """Check name and password and open a session.

        Parameters
        ----------
        name, password : str
        address : str
            Where the login comes from; failed ones are counted by name and by address.

        Returns
        -------
        str
            The session's token, for the cookie.

        Raises
        ------
        LoginError
            Which of name and password is wrong is not told.
        """
        name, address = storable(name[:64]), address[:64]
        self._count_attempt(name, address)
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(users_table).where(users_table.c.name == name)).first()
        # an unknown name takes as long as a wrong password
        right = _verified(_dummy_hash() if row is None else row.password, password[: LONGEST_PASSWORD + 1])
        if row is None or not right or row.disabled:
            raise LoginError("name or password is wrong")
        return self._open_session(row, password)

    def _count_attempt(self, name: str, address: str) -> None:
        """Write the attempt first and count then, so that many at once do not slip through."""
        since = self._now() - THROTTLE_SECONDS
        table = attempts_table
        with writing(self._engine) as connection:
            connection.execute(table.delete().where(table.c.at < since))
            connection.execute(table.insert().values(at=self._now(), name=name, address=address))
            count = sa.select(sa.func.count()).select_from(table)
            by_name = connection.scalar(count.where(table.c.name == name)) or 0
            by_address = connection.scalar(count.where(table.c.address == address)) or 0
        if by_name > ATTEMPTS_A_NAME or by_address > ATTEMPTS_AN_ADDRESS:
            raise LoginError(f"too many logins failed: try again in {THROTTLE_SECONDS // 60} minutes", throttled=True)

    def _open_session(self, row: sa.Row[tuple[object, ...]], password: str) -> str:
        token = secrets.token_urlsafe(32)
        now = self._now()
        fresh = {"password": _hasher().hash(password)} if _hasher().check_needs_rehash(row.password) else {}
        session = {"token_hash": _token_hash(token), "name": row.name, "csrf": secrets.token_urlsafe(32), "created": now}
        with writing(self._engine) as connection:
            connection.execute(sessions_table.delete().where(sessions_table.c.created < now - SESSION_SECONDS))
            connection.execute(attempts_table.delete().where(attempts_table.c.name == row.name))
            connection.execute(sessions_table.insert().values(seen=now, **session))
            if fresh:
                connection.execute(users_table.update().where(users_table.c.name == row.name).values(**fresh))
        return token

    def session(self, token: str) -> Session | None:
        """The session of a token; None where it is unknown, ended or too old, or the account is disabled."""
        now = self._now()
        table = sessions_table
        wanted = table.c.token_hash == _token_hash(token)
        both = sa.select(table.c.csrf, table.c.created.label("opened"), table.c.seen, users_table)
        joined = both.join_from(table, users_table, table.c.name == users_table.c.name)
        with reading(self._engine) as connection:
            row = connection.execute(joined.where(wanted)).first()
        if row is None or row.disabled or row.opened < now - SESSION_SECONDS or row.seen < now - IDLE_SECONDS:
            return None
        if row.seen < now - _SEEN_EVERY:
            with writing(self._engine) as connection:
                connection.execute(table.update().where(wanted).values(seen=now))
        return Session(_user(row), row.csrf)

    def log_out(self, token: str) -> None:
        """End a session."""
        with writing(self._engine) as connection:
            connection.execute(sessions_table.delete().where(sessions_table.c.token_hash == _token_hash(token)))

    def _now(self) -> int:
        return int(self._clock())


def _user(row: sa.Row[tuple[object, ...]]) -> User:
    return User(row.name, Role(row.role), bool(row.disabled), row.created)


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@cache
def _hasher() -> PasswordHasher:
    try:
        from argon2 import PasswordHasher
    except ModuleNotFoundError:
        raise UserError("accounts need one more package: pip install 'tagger[review]'") from None
    return PasswordHasher()


@cache
def _dummy_hash() -> str:
    return _hasher().hash(secrets.token_urlsafe(32))


def _hashed(name: str, password: str) -> str:
    if len(password) < SHORTEST_PASSWORD or len(password) > LONGEST_PASSWORD:
        raise UserError(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters: {name}'s is not changed")
    if password.casefold() == name.casefold():
        raise UserError(f"the password of {name} is the name itself: choose another")
    return _hasher().hash(password)


def _verified(hashed: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
