"""Offers: an index for what an account lists of some variants."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_index("ix_offers_account_market_variant_id", "offers", ["account", "market", "variant_id"], unique=False)
