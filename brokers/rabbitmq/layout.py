"""Names and settings of what a channel is on RabbitMQ."""

import re
import zlib
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from aio_pika.abc import FieldValue

from runtime.errors import SettingsError

HEARTBEAT = "10"
"""Seconds; either side ends a connection on which nothing has come for some of these."""

DELIVERIES = 20
"""How often a quorum queue delivers a message; a consumer that ends gives back what it held."""


@dataclass(frozen=True)
class Layout:
    """What everyone who uses a channel must agree on; RabbitMQ refuses whoever says otherwise."""

    partitions: int = 8
    """At most as many consumers of a group share the messages."""
    queues: str = "quorum"
    """On several nodes, and what was delivered DELIVERIES times in vain is buried; or `classic`."""
    log_age: str = "7D"
    """How long a channel's log goes back, as RabbitMQ's `x-max-age`."""

    @classmethod
    def of_url(cls, url: str) -> tuple[Self, str]:
        """`partitions`, `queues` and `log_age` of the URL's query, and the URL without them.

        Raises:
            SettingsError: one of them is not possible.
        """
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        partitions = query.pop("partitions", "8")
        queues = query.pop("queues", "quorum")
        log_age = query.pop("log_age", "7D")
        if not partitions.isdecimal() or not 1 <= int(partitions) <= 256:
            raise SettingsError("EVENT_BROKER_URL: partitions is a number from 1 to 256")
        if queues not in {"classic", "quorum"}:
            raise SettingsError("EVENT_BROKER_URL: queues is classic or quorum")
        if not re.fullmatch(r"\d+[YMDhms]", log_age):
            raise SettingsError("EVENT_BROKER_URL: log_age is a number and one of Y, M, D, h, m, s")
        query.setdefault("heartbeat", HEARTBEAT)
        kept = urlunsplit(parts._replace(query=urlencode(query)))
        return cls(int(partitions), queues, log_age), kept

    def arguments(self, channel: str, group: str) -> dict[str, FieldValue]:
        """Those of a group's queue."""
        net: dict[str, FieldValue] = {
            "x-delivery-limit": DELIVERIES,
            # A dead letter is gone from its queue when it has arrived, which needs the second.
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        return {
            "x-queue-type": self.queues,
            "x-single-active-consumer": True,
            "x-dead-letter-exchange": letters_of(channel),
            "x-dead-letter-routing-key": group,
            **(net if self.queues == "quorum" else {}),
        }

    def partition(self, key: str) -> int:
        """The same for everyone and for ever."""
        return zlib.crc32(key.encode()) % self.partitions


def log_of(channel: str) -> str:
    """The stream that keeps what was published."""
    return f"{channel}.log"


def queue_of(channel: str, group: str, partition: int) -> str:
    """The queue of one partition."""
    return f"{channel}.{group}.{partition}"


def earlier_of(channel: str, group: str, partition: int) -> str:
    """The queue of what was there before the group; gone when it has been read."""
    return f"{channel}.{group}.{partition}.earlier"


def claim_of(channel: str, group: str, partition: int) -> str:
    """The queue that only the connection has which consumes the partition."""
    return f"{channel}.{group}.{partition}.claim"


def members_of(channel: str, group: str) -> str:
    """The queue that holds nothing, and has each of the group's consumers."""
    return f"{channel}.{group}.members"


def letters_of(channel: str, group: str = "") -> str:
    """The queue of the group's dead letters, or the exchange that leads to those of all."""
    return f"{channel}.{group}.dead-letters" if group else f"{channel}.dead-letters"
