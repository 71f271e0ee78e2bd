"""The job `statuses`: read the platform's statuses, so that every order's code has a meaning."""

from __future__ import annotations

from crossdock.core.errors import BadAnswer
from crossdock.core.store import statuses
from crossdock.jobs.run import Run

JOB = "statuses"


def refresh(run: Run) -> None:
    """Keep what the platform lists now.

    Raises:
        BadAnswer: it lists none at all; what it listed before stays.
    """
    listed = run.connector.map_status()
    if not listed:
        raise BadAnswer("The platform lists no order status at all.")
    with run.write() as tx:
        saved = statuses.save_platform(tx, run.account_id, listed)
    run.count(seen=len(listed), added=saved.added, changed=saved.changed + saved.removed, unchanged=saved.unchanged)
