"""What whoever delivers webhooks has to know: which headers go along, and whether what failed is tried again. What whoever runs
requests has to know: how many of a kind a key may have running at once. Nothing of it was said before."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("retry_enabled", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("webhooks", sa.Column("request_headers", sa.JSON(), nullable=True))
    for name in ("tts_concurrency_limit", "dubbing_concurrency_limit", "music_concurrency_limit"):
        op.add_column("api_keys", sa.Column(name, sa.Integer(), nullable=True))
