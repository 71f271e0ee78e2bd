"""Statuses: the seller's own, those of an account's platform, and which leads to which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdock.core.errors import ConfigError, NotFoundHere
from crossdock.core.model import PlatformStatus
from crossdock.core.store import accounts, statuses
from crossdock.core.store.statuses import Direction, StatusMap, StatusRow

if TYPE_CHECKING:
    from crossdock.hub.hub import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTable:
    """How an account's statuses lead to the seller's own and back.

    Args:
        own: the seller's, in their order.
        platform: what the platform listed last.
        maps: what the seller said; elsewhere the meanings count.
    """

    own: tuple[StatusRow, ...]
    platform: tuple[PlatformStatus, ...]
    maps: tuple[StatusMap, ...]


class Statuses:
    """The statuses of an installation.

    Args:
        hub: the installation.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def own(self) -> tuple[StatusRow, ...]:
        """Return the seller's own statuses in their order."""
        with self._hub.store.read() as tx:
            return tuple(statuses.list_own(tx))

    def table(self, account: str) -> StatusTable:
        """Return an account's statuses and what leads where.

        Raises:
            NotFoundHere: there is no such account.
        """
        with self._hub.store.read() as tx:
            row = accounts.get(tx, account)
            return StatusTable(
                own=tuple(statuses.list_own(tx)),
                platform=tuple(statuses.list_platform(tx, row.id)),
                maps=tuple(statuses.list_maps(tx, row.id)),
            )

    def set(self, account: str, direction: str, code: str, status: str) -> None:
        """Let a platform's code lead to an own status (`in`), or an own status to a code (`out`).

        Raises:
            NotFoundHere: there is no such account or own status.
            ConfigError: there is no such direction, or the platform does not let the code be set.
        """
        way = _direction(direction)
        with self._hub.store.write() as tx:
            row = accounts.get(tx, account)
            statuses.set_map(tx, row.id, way, code, statuses.find(tx, status).id)

    def remove(self, account: str, direction: str, code: str) -> None:
        """Forget what the seller said of a code in one direction.

        Raises:
            NotFoundHere: there is no such account, or nothing was said of the code.
        """
        way = _direction(direction)
        with self._hub.store.write() as tx:
            row = accounts.get(tx, account)
            if not any(line.direction is way and line.code == code for line in statuses.list_maps(tx, row.id)):
                raise NotFoundHere(
                    f"Account {row.name}: nothing is said of status {code!r} ({way}).",
                    advice=f"See `crossdock status-map list {row.name}`.",
                )
            statuses.remove_map(tx, row.id, way, code)


def _direction(name: str) -> Direction:
    try:
        return Direction(name)
    except ValueError:
        raise ConfigError(f"There is no direction {name!r}.", advice="Say in (from the platform) or out.") from None
