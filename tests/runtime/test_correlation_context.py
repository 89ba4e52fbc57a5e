"""What a task belongs to, and what it sends along over HTTP."""

import asyncio

import httpx

from runtime.correlation import NOTHING, Correlation, correlated, current, enter, send_along


async def sent(**given: str) -> dict[str, str]:
    """The tracing headers that a request arrives with."""
    arrived: list[httpx.Headers] = []

    def take(request: httpx.Request) -> httpx.Response:
        arrived.append(request.headers)
        return httpx.Response(204)

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(take), event_hooks={"request": [send_along]}
    ) as client:
        headers = {name.replace("_", "-"): value for name, value in given.items()}
        await client.get("http://elsewhere/", headers=headers)
    return {name: it for name, it in arrived[0].items() if name.startswith("x-")}


async def test_a_request_has_the_ids_of_its_task() -> None:
    with correlated(Correlation("request-7", "command-9")):
        assert await sent() == {"x-correlation-id": "request-7", "x-causation-id": "command-9"}
    with correlated(Correlation("request-7")):
        assert await sent() == {"x-correlation-id": "request-7"}
    assert await sent() == {}


async def test_a_request_keeps_what_it_was_given() -> None:
    with correlated(Correlation("request-7", "command-9")):
        assert await sent(x_correlation_id="mine") == {"x-correlation-id": "mine"}
        both = {"x-correlation-id": "request-7", "x-causation-id": "mine"}
        assert await sent(x_causation_id="mine") == both


async def test_ids_of_any_text_are_sent_as_ascii_or_not_at_all() -> None:
    with correlated(Correlation("trip-Köln", "100%\r\nX-Evil: yes")):
        assert await sent() == {
            "x-correlation-id": "trip-K%C3%B6ln",
            "x-causation-id": "100%25%0D%0AX-Evil:%20yes",
        }
    with correlated(Correlation("x" * 5000, "command-9")):
        assert await sent() == {"x-causation-id": "command-9"}


async def test_tasks_do_not_see_each_other() -> None:
    async def task(name: str) -> Correlation:
        enter(Correlation(name))
        await asyncio.sleep(0)
        return current()

    names = ("a", "b", "c")
    told = await asyncio.gather(*(asyncio.create_task(task(name)) for name in names))
    assert told == [Correlation(name) for name in names]
    assert current() is NOTHING
