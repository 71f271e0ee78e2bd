"""Other sellers of the same goods, who also want the proposals."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Rivals:
    """Decides by the seed alone which proposals a rival takes, and when (docs/twins.md states the rule for checkers).

    Args:
        seed: makes the choice reproducible.
        share: the part of all transfers that a rival wants, 0 to 1; 1 means that every race is lost.
        fastest: seconds after the creation at which the most wanted transfer is taken.
        slowest: seconds after the creation at which the least wanted one is taken.
        linger: seconds for which a taken transfer still stands in the pending list; None means until it is answered.
    """

    seed: int
    share: float = 0.08
    fastest: float = 0.0
    slowest: float = 0.0
    linger: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share is the part of all transfers that rivals want, 0 to 1, not {self.share}")
        if not 0 <= self.fastest <= self.slowest:
            raise ValueError(f"rivals need 0 <= fastest <= slowest, not {self.fastest} and {self.slowest} seconds")
        if self.linger is not None and self.linger < 0:
            raise ValueError(f"linger is 0 seconds or more, not {self.linger}")

    def taken_at(self, reference: str, created_at: datetime) -> datetime | None:
        """Return the moment at which a rival takes the transfer, or None if none wants it."""
        digest = hashlib.sha256(f"{self.seed}:{reference}".encode()).digest()
        u = int.from_bytes(digest[:8], "big") / 2**64
        if u >= self.share:
            return None
        return created_at + timedelta(seconds=self.fastest + (self.slowest - self.fastest) * (u / self.share))
