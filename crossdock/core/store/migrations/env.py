"""Alembic's way in: runs the steps on the connection, and in the transaction, of whoever asks."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from crossdock.core.store import types
from crossdock.core.store.tables import metadata


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own column types by their names."""
    if kind != "type":
        return False
    name = "Id" if item is types.Id else type(item).__name__
    if not hasattr(types, name) or not (item is types.Id or type(item).__module__ == types.__name__):
        return False
    autogen.imports.add(f"from crossdock.core.store.types import {name}")
    return name


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_item=render_item,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
