"""Statuses: the seller's own, those of each platform, and which leads to which.

Each of the seller's own statuses has one meaning. Inwards (platform to seller) the seller's map counts, then the
meaning the plugin gives to a code, and what is left is unknown. Outwards the seller's map counts, then the only code
with that meaning that the platform lets us set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import NoReturn

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from crossdock.core.errors import ConfigError, NotFoundHere, UnknownStatus
from crossdock.core.model import Meaning, PlatformStatus
from crossdock.core.store.engine import Read, Write
from crossdock.core.store.tables import accounts, platform_statuses, status_maps, statuses

DEFAULT_COLOURS = {
    Meaning.PENDING: "#9aa0a6",
    Meaning.NEW: "#1a73e8",
    Meaning.CONFIRMED: "#12b5cb",
    Meaning.PACKED: "#f9ab00",
    Meaning.SHIPPED: "#7cb342",
    Meaning.DELIVERED: "#188038",
    Meaning.CANCELLED: "#d93025",
    Meaning.RETURNED: "#a142f4",
}


class Direction(StrEnum):
    """Which way a status goes: in from the platform, or out to it."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """One of the seller's own statuses."""

    id: int
    name: str
    colour: str
    meaning: Meaning
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusMap:
    """One line of the seller's table: the platform's code and the own status it leads to, or comes from."""

    direction: Direction
    code: str
    status: str


# --- the seller's own ------------------------------------------------------------------------------------------------


def create_defaults(tx: Write) -> None:
    """Give a new store one status for each meaning, named after it."""
    tx.execute(
        insert(statuses),
        [
            {"name": meaning.value.capitalize(), "colour": colour, "meaning": meaning.value, "position": position}
            for position, (meaning, colour) in enumerate(DEFAULT_COLOURS.items(), 1)
        ],
    )


def list_own(tx: Read) -> list[StatusRow]:
    """Return the seller's statuses in their order."""
    query = select(statuses).order_by(statuses.c.position, statuses.c.id)
    return [StatusRow(**{**row, "meaning": Meaning(row["meaning"])}) for row in tx.execute(query).mappings()]


def find(tx: Read, name: str) -> StatusRow:
    """Return the seller's status of this name.

    Raises:
        NotFoundHere: there is none; the text lists those there are.
    """
    own = list_own(tx)
    for status in own:
        if status.name == name:
            return status
    raise NotFoundHere(f"There is no status {name!r}.", advice=f"Here are: {', '.join(row.name for row in own)}.")


# --- the platforms' --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """How many platform statuses were added, changed, left as they were, removed."""

    added: int
    changed: int
    unchanged: int
    removed: int


def save_platform(tx: Write, account: str, listed: Sequence[PlatformStatus]) -> Saved:
    """Keep what a platform lists as all of its statuses; what it no longer lists goes, the seller's map stays.

    Args:
        tx: a write transaction.
        account: the account's id.
        listed: codes are unique.
    """
    known = {status.code: status for status in list_platform(tx, account)}
    incoming = {status.code: status for status in listed}
    changed = [status for code, status in sorted(incoming.items()) if known.get(code) != status]
    gone = sorted(set(known) - set(incoming))
    if changed:
        change = upsert(platform_statuses)
        change = change.on_conflict_do_update(
            index_elements=["account", "code"],
            set_={name: change.excluded[name] for name in ("label", "meaning", "settable", "read_at")},
        )
        tx.execute(change, [{"account": account, "read_at": tx.now, **asdict(status)} for status in changed])
    if gone:
        tx.execute(
            delete(platform_statuses).where(platform_statuses.c.account == account, platform_statuses.c.code.in_(gone))
        )
    added = len(set(incoming) - set(known))
    return Saved(added=added, changed=len(changed) - added, unchanged=len(incoming) - len(changed), removed=len(gone))


def list_platform(tx: Read, account: str) -> list[PlatformStatus]:
    """Return the statuses that an account's platform listed last, by code."""
    columns = [platform_statuses.c[name] for name in ("code", "label", "meaning", "settable")]
    query = select(*columns).where(platform_statuses.c.account == account).order_by(platform_statuses.c.code)
    return [
        PlatformStatus(code=code, label=label, meaning=meaning and Meaning(meaning), settable=settable)
        for code, label, meaning, settable in tx.execute(query)
    ]


# --- which leads to which --------------------------------------------------------------------------------------------


def inwards(tx: Read, account: str, code: str) -> tuple[int, Meaning]:
    """Return the own status, and its meaning, of a code that a platform gave.

    Args:
        tx: any transaction.
        account: the account's id.
        code: as it stands in the order.

    Raises:
        UnknownStatus: neither the seller nor the plugin says what the code means; the order is parked.
    """
    mapped = (
        select(statuses.c.id, statuses.c.meaning)
        .join(status_maps)
        .where(status_maps.c.account == account, status_maps.c.direction == Direction.IN, status_maps.c.code == code)
    )
    meant = (
        select(statuses.c.id, statuses.c.meaning)
        .join(platform_statuses, platform_statuses.c.meaning == statuses.c.meaning)
        .where(platform_statuses.c.account == account, platform_statuses.c.code == code)
        .order_by(statuses.c.position, statuses.c.id)
        .limit(1)
    )
    found = tx.execute(mapped).first() or tx.execute(meant).first()
    if found is None:
        _unknown_inwards(tx, account, code)
    return found[0], Meaning(found[1])


def _unknown_inwards(tx: Read, account: str, code: str) -> NoReturn:
    listed = next((status for status in list_platform(tx, account) if status.code == code), None)
    if listed is None:
        why = "the platform never listed it"
    elif listed.meaning is None:
        why = f"{listed.label!r} means what the seller says, and nobody said it yet"
    else:
        why = f"it means {listed.meaning}, and none of your statuses does"
    own = ", ".join(status.name for status in list_own(tx))
    name = _name(tx, account)
    raise UnknownStatus(
        f"Account {name}: status {code!r} leads nowhere: {why}.",
        advice=f"Say it by `crossdock status-map set {name} in {code} STATUS`; STATUS is one of: {own or 'none yet'}.",
    )


def outwards(tx: Read, account: str, status_id: int) -> str:
    """Return the code that tells a platform of an own status.

    Args:
        tx: any transaction.
        account: the account's id.
        status_id: the own status.

    Raises:
        UnknownStatus: the seller did not choose a code, and not exactly one settable code has that meaning.
    """
    mapped = select(status_maps.c.code).where(
        status_maps.c.account == account,
        status_maps.c.direction == Direction.OUT,
        status_maps.c.status_id == status_id,
    )
    chosen: str | None = tx.scalar(mapped)
    if chosen is not None:
        return chosen
    own = next((row for row in list_own(tx) if row.id == status_id), None)
    if own is None:
        raise NotFoundHere(f"There is no status with number {status_id}.")
    settable = [status for status in list_platform(tx, account) if status.settable]
    fitting = [status.code for status in settable if status.meaning is own.meaning]
    if len(fitting) == 1:
        return fitting[0]
    why = f"{len(fitting)} codes mean {own.meaning}" if fitting else f"no code that may be set means {own.meaning}"
    name = _name(tx, account)
    command = f"crossdock status-map set {name} out CODE {own.name!r}"
    raise UnknownStatus(
        f"Account {name}: status {own.name!r} cannot be told: {why}.",
        advice=f"Say it by `{command}`; CODE is one of: {_choices(settable)}.",
    )


def set_map(tx: Write, account: str, direction: Direction, code: str, status_id: int) -> None:
    """Let a code lead to an own status (in), or an own status to a code (out), in place of what was said before.

    Args:
        tx: a write transaction.
        account: the account's id.
        direction: in from the platform, or out to it.
        code: the platform's; inwards also one that it never listed.
        status_id: the own status.

    Raises:
        ConfigError: outwards to a code which the platform does not let us set.
    """
    settable = [status for status in list_platform(tx, account) if status.settable]
    if direction is Direction.OUT and code not in {status.code for status in settable}:
        raise ConfigError(
            f"Account {_name(tx, account)}: status {code!r} cannot be set there.",
            advice=f"Choose one of: {_choices(settable)}.",
        )
    same = status_maps.c.code == code if direction is Direction.IN else status_maps.c.status_id == status_id
    tx.execute(delete(status_maps).where(status_maps.c.account == account, status_maps.c.direction == direction, same))
    row = {"account": account, "direction": direction.value, "code": code, "status_id": status_id}
    tx.execute(insert(status_maps), row)


def remove_map(tx: Write, account: str, direction: Direction, code: str) -> None:
    """Forget what the seller said of a code in one direction."""
    tx.execute(
        delete(status_maps).where(
            status_maps.c.account == account, status_maps.c.direction == direction, status_maps.c.code == code
        )
    )


def list_maps(tx: Read, account: str) -> list[StatusMap]:
    """Return the seller's table for one account, by direction and code."""
    query = (
        select(status_maps.c.direction, status_maps.c.code, statuses.c.name)
        .join(statuses)
        .where(status_maps.c.account == account)
        .order_by(status_maps.c.direction, status_maps.c.code, statuses.c.name)
    )
    return [
        StatusMap(direction=Direction(direction), code=code, status=name) for direction, code, name in tx.execute(query)
    ]


def _choices(settable: Sequence[PlatformStatus]) -> str:
    named = ", ".join(f"{status.code} ({status.label})" for status in settable)
    return named or "(the platform lets us set none)"


def _name(tx: Read, account: str) -> str:
    return tx.scalar(select(accounts.c.name).where(accounts.c.id == account)) or account
