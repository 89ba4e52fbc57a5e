"""The port that publication goes through, and the broker that a URL names."""

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

from contracts.integration import CloudEvent
from runtime.errors import SettingsError


class Publisher(Protocol):
    """Hands events to a broker; returns when it has them for certain."""

    async def publish(self, events: Sequence[CloudEvent]) -> None:
        """Publish in order, at least once; an event published again keeps its id."""


class MemoryBroker:
    """A broker inside this process, for trying things out: what it has is gone with it."""

    def __init__(self) -> None:
        self.events: dict[str, CloudEvent] = {}
        """By id, in the order in which they first came."""

    async def publish(self, events: Sequence[CloudEvent]) -> None:
        """Keep the events."""
        for event in events:
            self.events.setdefault(event.id, event)


def open_publisher(url: str) -> Publisher:
    """The broker that EVENT_BROKER_URL names; raises SettingsError."""
    scheme = urlsplit(url).scheme
    if scheme != "memory":
        raise SettingsError(f"EVENT_BROKER_URL: no broker for {scheme}://, give memory:// or unset")
    return MemoryBroker()
