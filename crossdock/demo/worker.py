"""A process that runs one job of the seller's and is killed in the middle of it: `python -m crossdock.demo.worker`."""

from __future__ import annotations

import sys
from datetime import datetime

import crossdock
from crossdock.demo.seller import ACCOUNT
from crossdock.twins.kit import VirtualClock


def main(config: str, now: str, job: str) -> None:
    """Open the installation at that moment and run the job."""
    with crossdock.open(config, clock=VirtualClock(datetime.fromisoformat(now))) as hub:
        hub.run(ACCOUNT, job)


if __name__ == "__main__":
    main(*sys.argv[1:])
