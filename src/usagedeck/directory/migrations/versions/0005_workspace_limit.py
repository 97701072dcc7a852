"""Credits that a whole workspace may use in a billing period; NULL: no limit."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workspaces", sa.Column("credit_limit", sa.BigInteger(), nullable=True))
