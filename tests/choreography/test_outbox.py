"""The outbox: what the broker has for certain goes, and nothing else does."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from brokers.envelope import Message
from brokers.memory import MemoryBroker
from brokers.port import Channel
from tests.choreography.twin import as_event, twin_in
from tests.integration.stage import an_order


class Interrupted(MemoryBroker):
    """Lets something happen while it publishes, once."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def publish(
        self, channel: Channel, messages: Sequence[Message], *, again: bool = False
    ) -> None:
        """Publish."""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        await super().publish(channel, messages, again=again)


async def test_an_event_at_the_place_of_one_that_is_gone_is_published(tmp_path: Path) -> None:
    first, second = an_order(), an_order()
    broker = Interrupted()
    async with twin_in(tmp_path, {}, broker) as twin:
        relay = twin.house.participants["order"].relay

        async def another_relay_and_another_order() -> None:
            assert await relay.publish_some() == 1
            await twin.house.place(as_event(second))

        await twin.house.place(as_event(first))
        broker.meanwhile = another_relay_and_another_order
        assert await relay.publish_some() == 1
        assert await relay.publish_some() == 1
        told = [it.event().subject for it in broker.messages["choreography"]]
        assert told == [first.order_id, first.order_id, second.order_id]
        assert await twin.unpublished() == 0


async def test_where_the_broker_forgets_nothing_goes(tmp_path: Path) -> None:
    async with twin_in(tmp_path, {}, forgets=True) as twin:
        relay = twin.house.participants["order"].relay
        await twin.house.place(as_event(an_order()))
        assert (await relay.publish_some(), await relay.publish_some()) == (1, 0)
        await relay.start_over()
        assert (await relay.publish_some(), await twin.unpublished()) == (1, 1)
