"""A consumer as a member of its group, on the event loop."""

import asyncio
import contextlib
import logging
import threading

from brokers.kafka.connecting import told_apart
from brokers.kafka.layout import Layout, group_of, topic_of
from brokers.kafka.polling import Polling
from brokers.kafka.share import Share
from brokers.kafka.topics import Topics
from brokers.port import BrokerUnreachable, Delivery, Subscription

log = logging.getLogger("kafka")

TRIES_AGAIN_AFTER = 0.5
"""Seconds until the next try when nobody answers."""


class Member:
    """One consumer of a group."""

    def __init__(self, layout: Layout, topics: Topics, subscription: Subscription) -> None:
        self._layout = layout
        self._topics = topics
        self._topic = topic_of(subscription.channel.name)
        self._group = group_of(subscription.channel.name, subscription.group)
        self._loop = asyncio.get_running_loop()
        self.came = asyncio.Event()
        self._left = asyncio.Event()
        self._share = Share(subscription.prefetch, self._tell)

    def next(self) -> Delivery | None:
        """Of each partition in turn."""
        return self._share.next()

    def leave(self) -> None:
        """End `take_part`; what is not acknowledged by then comes again."""
        self._left.set()
        self._share.leave()

    async def take_part(self) -> None:
        """Poll; the broker may come and go. Raises SettingsError where it refuses for good."""
        away = False
        while not self._left.is_set():
            try:
                async with told_apart(self._layout):
                    await self._topics.make(self._topic)
                    away = False
                    await self._poll_in_thread()
            except BrokerUnreachable as error:
                log.log(logging.DEBUG if away else logging.WARNING, "%s", error)
                away = True
                self._topics.forget(self._topic)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._left.wait(), TRIES_AGAIN_AFTER)

    async def _poll_in_thread(self) -> None:
        """Raises KafkaException."""
        polling = Polling(self._layout, self._group, self._topic, self._share)
        ended = self._loop.create_future()

        def end(error: BaseException | None) -> None:
            if ended.done():
                return
            if error is None:
                ended.set_result(None)
            else:
                ended.set_exception(error)

        def run() -> None:
            error: BaseException | None = None
            try:
                polling.run()
            except BaseException as raised:  # noqa: BLE001  raised again where it is waited for
                error = raised
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(end, error)

        # One that hangs must not hold up the end of the process.
        threading.Thread(target=run, daemon=True, name=f"kafka-{self._group}").start()
        await ended

    def _tell(self) -> None:
        # The loop may have ended before the thread.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.came.set)
