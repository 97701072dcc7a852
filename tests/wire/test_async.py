"""The asynchronous client: the same four calls, side by side, the same answers."""

import asyncio
from typing import Any

import httpx
import pytest
from elevenlabs import AsyncElevenLabs, ElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.errors import UnprocessableEntityError

from tests.wire.strict import check_async
from tests.wire.town import END, START, Town

WHEN: dict[str, Any] = {"start_time": START, "end_time": END}
STATS: dict[str, Any] = {"start_unix": START, "end_unix": END, "breakdown_type": "product_type"}
USAGE: dict[str, Any] = {**WHEN, "interval_seconds": 3600, "group_by": ["user_id"], "time_zone": "Asia/Kolkata"}
COST: dict[str, Any] = {**WHEN, "interval_seconds": 86_400, "group_by": ["user_id"]}
LOG: dict[str, Any] = {**WHEN, "search": "rachel", "filters": [{"column": "response_code", "operation": "lt", "values": [500]}]}


def test_it_gets_what_the_other_client_gets(sdk: ElevenLabs, town: Town, town_url: str) -> None:
    async def ask() -> tuple[Any, ...]:
        async with httpx.AsyncClient(event_hooks={"response": [check_async]}, timeout=60) as checked:
            client = AsyncElevenLabs(base_url=town_url + "/", api_key=town.everything, httpx_client=checked)
            answers = await asyncio.gather(
                client.usage.get(**STATS),
                client.workspace.usage.get_usage_by_product_over_time(**USAGE),
                client.workspace.usage.get_usage(**COST),
                client.workspace.analytics.requests.get(**LOG),
            )
            return tuple(answers)

    assert asyncio.run(ask()) == (
        sdk.usage.get(**STATS),
        sdk.workspace.usage.get_usage_by_product_over_time(**USAGE),
        sdk.workspace.usage.get_usage(**COST),
        sdk.workspace.analytics.requests.get(**LOG),
    )


def test_it_raises_what_the_other_client_raises(town: Town, town_url: str) -> None:
    async def ask() -> None:
        async with httpx.AsyncClient(event_hooks={"response": [check_async]}, timeout=60) as checked:
            client = AsyncElevenLabs(base_url=town_url, api_key="wrong", httpx_client=checked)
            with pytest.raises(ApiError) as caught:
                await client.usage.get(**STATS)
            assert (caught.value.status_code, caught.value.body["detail"]["status"]) == (401, "invalid_api_key")
            with pytest.raises(UnprocessableEntityError):
                await client.workspace.analytics.requests.get(start_time=1)
            known = AsyncElevenLabs(base_url=town_url, api_key=town.everything, httpx_client=checked)
            with pytest.raises(ApiError) as caught:
                await known.workspace.usage.get_usage_by_product_over_time(**{**USAGE, "time_zone": "+05:30"})
            assert (caught.value.status_code, caught.value.body["detail"]["param"]) == (400, "time_zone")

    asyncio.run(ask())


def test_many_at_once_are_all_answered(sdk: ElevenLabs, town: Town, town_url: str) -> None:
    async def ask() -> list[Any]:
        async with httpx.AsyncClient(event_hooks={"response": [check_async]}, timeout=60) as checked:
            client = AsyncElevenLabs(base_url=town_url, api_key=town.everything, httpx_client=checked)
            return await asyncio.gather(*(client.workspace.usage.get_usage_by_product_over_time(**USAGE) for _ in range(30)))

    expected = sdk.workspace.usage.get_usage_by_product_over_time(**USAGE)
    assert all(answer == expected for answer in asyncio.run(ask()))
