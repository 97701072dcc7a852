"""How long a workspace keeps its rollups; NULL: for ever. Until now they went with the events."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("rollup_days", sa.Integer(), nullable=True))
    op.execute("UPDATE workspaces SET rollup_days = retention_days")
