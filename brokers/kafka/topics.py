"""Topics: one for each channel, and one for the dead letters of each group."""

import asyncio
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from brokers.kafka.connecting import ANSWERS_WITHIN, LastProblem, error_of, made
from brokers.kafka.layout import Layout

LETTERS: Final = {"cleanup.policy": "compact"}
"""Dead letters stay until they are removed."""


class Topics:
    """Makes what is not there; a topic that is there is taken as it is."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._admin: AdminClient | None = None
        self._problem = LastProblem()
        self._made: set[str] = set()

    async def make(self, topic: str, *, letters: bool = False) -> None:
        """Raises KafkaException, or TimeoutError with the reason."""
        if topic in self._made:
            return
        if self._admin is None:
            config: dict[str, Any] = {**self._layout.config(), "error_cb": self._problem}
            self._admin = made(lambda: AdminClient(config))
        # Letters are read as a whole, in their order.
        partitions = 1 if letters else self._layout.partitions
        new = NewTopic(
            topic, partitions, self._layout.replication, config=dict(LETTERS) if letters else {}
        )
        admin = self._admin
        [made_] = admin.create_topics([new], request_timeout=ANSWERS_WITHIN).values()
        try:
            await asyncio.wrap_future(made_)
        except KafkaException as error:
            await self._taken_as_it_is(admin, topic, error)
        self._made.add(topic)

    def forget(self, topic: str) -> None:
        """It may be missing."""
        self._made.discard(topic)

    def close(self) -> None:
        """Let go of the connections."""
        self._admin = None

    async def _taken_as_it_is(self, admin: AdminClient, topic: str, error: KafkaException) -> None:
        match error_of(error).code():
            case KafkaError.TOPIC_ALREADY_EXISTS:
                return
            case KafkaError._TIMED_OUT:
                admin.poll(0)  # Which hears of the problem.
                raise TimeoutError(str(self._problem)) from error
            case KafkaError.TOPIC_AUTHORIZATION_FAILED | KafkaError.CLUSTER_AUTHORIZATION_FAILED:
                # Who may not make topics may still use one that somebody else has made.
                look = asyncio.to_thread(admin.list_topics, topic, ANSWERS_WITHIN)
                if (await look).topics[topic].error is None:
                    return
        raise error
