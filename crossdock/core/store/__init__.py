"""What crossdock remembers: SQLAlchemy Core on SQLite and PostgreSQL alike."""

from crossdock.core.store.engine import Read, Store, Write

__all__ = ["Read", "Store", "Write"]
