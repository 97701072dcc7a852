"""Whether a workspace collects headers and bodies, and how long it keeps them; NULL: as long as their events."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("exchanges", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("workspaces", sa.Column("exchange_days", sa.Integer(), nullable=True))
