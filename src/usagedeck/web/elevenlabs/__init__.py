"""The analytics calls of the official `elevenlabs` SDKs, answered so that the SDKs work unmodified.

`wire` holds what the calls share (errors, tables, filters), `calls` the four calls. What the SDKs expect is stated by the
tests under `tests/wire`, which use the published package.
"""

from usagedeck.web.elevenlabs.calls import router

__all__ = ["router"]
