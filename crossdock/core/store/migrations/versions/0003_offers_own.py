"""Offers: the fields that a person gave by hand."""

import sqlalchemy as sa
from alembic import op

from crossdock.core.store.types import Json

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("offers", sa.Column("own", Json, server_default=sa.text("'{}'"), nullable=False))
