"""A dead letter keeps everything, and replayed it is done once, by its own group only."""

from collections.abc import Callable, Mapping

import pytest

from brokers.consumer import Consumer, Unacceptable
from brokers.dead_letters import REPLAY_FOR, DeadLetter, dead_letters, replay
from brokers.envelope import CloudEvent, Message
from brokers.port import Subscription
from tests.brokers.desk import (
    CATALOGUE,
    COUNTS,
    GROUP,
    QUICK,
    Counted,
    Desk,
    Failing,
    counted,
    effect,
    running,
)
from tests.integration.processes import eventually

OTHERS = "others"


async def buried(desk: Desk, *events: CloudEvent) -> list[DeadLetter]:
    """Letters of these events, which a refusing handler has made."""
    await desk.publish(*events)
    await desk.handled(Failing.always(Unacceptable("closed today")))
    return await desk.letters()


@pytest.mark.parametrize("form", [Message.structured, Message.binary], ids=["json", "headers"])
async def test_a_letter_keeps_the_message_and_tells_the_failure(
    desk: Desk, form: Callable[[CloudEvent, Mapping[str, str]], Message]
) -> None:
    event = counted(1, causationid="cause", correlationid="request-7")
    message = form(event, {"x-tenant": "t1", "traceparent": "00-1-2-01"})
    await desk.broker.publish(COUNTS, [message])
    await desk.handled(Failing.always(KeyError("stock")))
    [kept] = await desk.broker.dead_letters(COUNTS, GROUP)
    assert kept.headers.items() >= message.headers.items()
    assert kept.headers.keys() - message.headers.keys() == {
        f"dead-letter-{name}"
        for name in (
            *("id", "error", "text", "tries", "first-failure", "last-failure"),
            *("channel", "group", "event-id", "event-type"),
        )
    }
    [letter] = await desk.letters()
    assert letter.original == message
    assert letter.event == event
    assert (letter.id, letter.id != event.id) == (kept.headers["dead-letter-id"], True)
    assert (letter.error, letter.text, letter.tries) == ("KeyError", "'stock'", 3)


async def test_an_error_is_told_in_one_line_that_has_an_end(desk: Desk) -> None:
    await desk.publish(counted(1))
    await desk.handled(Failing.always(Unacceptable("\n a\x1b[31m" + "x" * 2000 + "\nmore")))
    [letter] = await desk.letters()
    assert letter.text is not None
    assert (len(letter.text), letter.text[:9]) == (500, "a [31mxxx")


async def test_a_letter_that_the_broker_has_moved_tells_less(desk: Desk) -> None:
    event = counted(1)
    moved = Message.structured(event)
    await desk.broker.bury(COUNTS, GROUP, Message(moved.body, "a", "own-id", moved.headers))
    await desk.broker.bury(COUNTS, GROUP, Message(b"\xff", "a", "other-id", {}))
    odd = {"dead-letter-tries": "many", "dead-letter-first-failure": "soon"}
    await desk.broker.bury(COUNTS, GROUP, Message(b"", "", "odd-id", odd))
    known, unreadable, nonsense = await desk.letters()
    assert (known.id, known.original.id, known.event) == ("own-id", "a-1", event)
    assert (known.error, known.tries, known.first_failure) == (None, None, None)
    assert (unreadable.original.id, unreadable.event) == ("other-id", None)
    assert (nonsense.tries, nonsense.first_failure) == (None, None)
    for letter in (known, unreadable):
        assert await replay(desk.broker, letter)
    await desk.handled()
    assert await desk.effects() == [1]


async def test_replayed_it_is_done_once_by_its_group_and_not_again_by_another(desk: Desk) -> None:
    [letter] = await buried(desk, counted(1))
    seen: list[str] = []

    async def others_effect(received: object) -> None:
        seen.append("others")

    other = Consumer(
        desk.broker,
        Subscription(COUNTS, OTHERS),
        CATALOGUE,
        {Counted: others_effect},
        desk.transaction,
        retries=QUICK,
    )

    async def nothing_for_others() -> bool:
        return await desk.broker.waiting(COUNTS, OTHERS) == 0

    async with running(other):
        await eventually(nothing_for_others)
        assert await replay(desk.broker, letter)
        await desk.handled()
        assert (
            await replay(desk.broker, letter) is False
        )  # It was gone; it comes again all the same.
        await desk.handled()
        await eventually(nothing_for_others)
    assert (await desk.effects(), seen, await desk.letters()) == ([1], ["others"], [])
    [message] = [it async for it in desk.broker.log(COUNTS) if REPLAY_FOR in it.headers][:1]
    assert (message.id, message.body, message.key) == ("a-1", letter.original.body, "a")
    assert not any(name.startswith("dead-letter-") for name in message.headers)


async def test_ended_between_publishing_and_removing_it_is_still_there(desk: Desk) -> None:
    [letter] = await buried(desk, counted(1))

    async def killed() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await replay(desk.broker, letter, killed)
    await desk.handled()
    assert (await desk.effects(), [it.id for it in await desk.letters()]) == ([1], [letter.id])
    assert await replay(desk.broker, letter)
    await desk.handled()
    assert (await desk.effects(), await desk.letters()) == ([1], [])


async def test_what_fails_again_is_a_new_letter(desk: Desk) -> None:
    [letter] = await buried(desk, counted(1))
    assert await replay(desk.broker, letter)
    await desk.handled(Failing.always(Unacceptable("still closed")))
    [again] = await dead_letters(desk.broker, COUNTS, GROUP)
    assert (again.text, again.original.id) == ("still closed", letter.original.id)
    assert again.id != letter.id
    assert await replay(desk.broker, again)
    await desk.handled(effect)
    assert await desk.effects() == [1]
