"""Dead letters stay, whole and in order, until somebody takes one away."""

import asyncio

from brokers.envelope import Message
from brokers.port import Broker, Channel
from tests.brokers.promises.place import Place, Promises, is_soon, some

HEADERS = {"content-type": "text/plain", "why": "é", "dead-letter-tries": "5"}


class Letters(Promises):
    """Those of a group."""

    async def test_dead_letters_stay_until_they_are_taken_away(
        self, broker: Broker, channel: Channel
    ) -> None:
        assert await broker.dead_letters(channel, "copy") == []
        assert not await broker.remove_dead_letter(channel, "copy", "l-0")
        letters = [Message(b"\xff", "a", f"l-{number}", HEADERS) for number in range(12)]
        for letter in letters:
            await broker.bury(channel, "copy", letter)
        for _ in range(2):
            assert await broker.dead_letters(channel, "copy") == letters
        assert await broker.remove_dead_letter(channel, "copy", "l-5")
        assert not await broker.remove_dead_letter(channel, "copy", "l-5")
        taken = letters.pop(5)
        assert await broker.dead_letters(channel, "copy") == letters
        await broker.bury(channel, "copy", taken)
        assert await broker.dead_letters(channel, "copy") == [*letters, taken]
        # They are this group's alone, and no messages.
        assert await broker.dead_letters(channel, "other") == []
        await is_soon(0, lambda: broker.waiting(channel, "copy"))

    async def test_who_looks_while_others_do_sees_all_of_them(
        self, place: Place, broker: Broker, channel: Channel
    ) -> None:
        letters = some("a", range(12))
        for letter in letters:
            await broker.bury(channel, "copy", letter)
        other = place.open()
        looks = [(broker, other)[it % 2].dead_letters(channel, "copy") for it in range(place.looks)]
        assert await asyncio.gather(*looks) == [letters] * place.looks
        await other.close()
