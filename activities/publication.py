"""The publication: tells the outside what has become of an order."""

from datetime import timedelta
from itertools import groupby

from temporalio import activity

from brokers.envelope import Message
from brokers.port import Broker
from contracts.catalogue import CATALOGUE
from contracts.integration import integration_messages
from contracts.sagas import PUBLICATION
from saga import Batch, Sink

_CHANNELS = {it.name: it.channel for it in CATALOGUE}


class PublicationActivities:
    """Publishes to a broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    @activity.defn
    async def publish_events(self, batch: Batch) -> None:
        """Publish the integration messages that these events make, at least once, in order."""
        told = integration_messages(batch.state, batch.events)
        for channel, events in groupby(told, key=lambda event: _CHANNELS[event.type]):
            await self._broker.publish(channel, [Message.binary(event) for event in events])


publication = Sink(
    name=PUBLICATION,
    activity=PublicationActivities.publish_events,
    interval=None,
    optional=True,
    longest_pause=timedelta(seconds=30),
)
