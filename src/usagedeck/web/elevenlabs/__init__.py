"""The calls of the official `elevenlabs` SDKs that are about usage, answered so that the SDKs work unmodified.

`calls` holds the four analytics calls; the others are about who and what stands behind the numbers: `user`, `people`,
`accounts`, `webhooks`, `activity` (the audit log) and `shelf` (models and voices). They share `asker` (who asks and how far they
see), `spent` (credits of the billing period), `wire` (shapes) and `errors`. What the SDKs expect is stated by the tests under
`tests/wire`, which use the published package.
"""

from fastapi import APIRouter

from usagedeck.web.elevenlabs import accounts, activity, calls, people, shelf, user, webhooks

__all__ = ["router"]

router = APIRouter()
for _part in (calls, user, people, accounts, webhooks, activity, shelf):
    router.include_router(_part.router)
