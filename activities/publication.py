"""The publication: tells the outside what has become of an order."""

from datetime import timedelta

from temporalio import activity

from brokers.publisher import Publisher
from contracts.integration import integration_events
from contracts.sagas import PUBLICATION
from saga import Batch, Sink


class PublicationActivities:
    """Publishes to a broker."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    @activity.defn
    async def publish_events(self, batch: Batch) -> None:
        """Publish the integration events that these events make, at least once."""
        await self._publisher.publish(integration_events(batch.state, batch.events))


publication = Sink(
    name=PUBLICATION,
    activity=PublicationActivities.publish_events,
    interval=None,
    optional=True,
    longest_pause=timedelta(seconds=30),
)
