"""Names and settings of what a channel is on Kafka."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from runtime.errors import SettingsError

Config = dict[str, str | int | bool]
"""Properties of librdkafka, by its own names."""

LONGEST_TOPIC = 249
BROKERS_DEFAULT = -1

KEPT_PROMISES = frozenset({
    "acks", "auto.commit.interval.ms", "auto.offset.reset", "bootstrap.servers",
    "enable.auto.commit", "enable.auto.offset.store", "enable.idempotence", "enable.partition.eof",
    "group.id", "metadata.broker.list", "partitioner", "request.required.acks", "transactional.id",
})  # fmt: skip
"""Properties that the port's promises rest on, so that no URL changes them."""

_PROBLEM = "EVENT_BROKER_URL:"
_SERVER = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?", re.ASCII)
_TOPIC = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Layout:
    """What the URL says: `kafka[+ssl]://[USER:PASSWORD@]HOST[:PORT][,HOST...]?partitions=N&...`."""

    servers: str
    """Those to begin with, with commas between them."""
    partitions: int = BROKERS_DEFAULT
    """Of a topic that is made here: at most as many consumers of a group share the messages."""
    replication: int = BROKERS_DEFAULT
    """Of a topic that is made here: how many servers have each message."""
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of librdkafka's clients, beside those that are set here; credentials are among them."""

    @classmethod
    def of_url(cls, url: str) -> Self:
        """Raises SettingsError, one line that says what to give."""
        parts = urlsplit(url)
        credentials, _, servers = parts.netloc.rpartition("@")
        if not all(_SERVER.fullmatch(it) for it in servers.split(",")) or parts.path.strip("/"):
            raise SettingsError(
                f"{_PROBLEM} give {parts.scheme}://HOST:PORT, or several with commas between them"
            )
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        partitions = _number(query, "partitions", 10_000)
        replication = _number(query, "replication", 100)
        for name in query:
            if name in KEPT_PROMISES:
                raise SettingsError(f"{_PROBLEM} {name} is not to be changed")
            if "." not in name:
                raise SettingsError(
                    f"{_PROBLEM} {parts.scheme}:// knows no {name}: give partitions, replication,"
                    " or properties of librdkafka such as session.timeout.ms"
                )
        secured = _security(parts.scheme, credentials)
        return cls(servers, partitions, replication, {**secured, **query})

    def config(self, **ours: str | int | bool) -> Config:
        """That of a client; `ours` has `_` for `.` in the names."""
        return {
            "bootstrap.servers": self.servers,
            # What it would write on stderr is told by what fails because of it.
            "log_level": 2,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1000,
            "socket.timeout.ms": 10_000,
            "socket.keepalive.enable": True,
            "allow.auto.create.topics": False,
            **self.properties,
            **{name.replace("_", "."): value for name, value in ours.items()},
        }


def topic_of(channel: str) -> str:
    """Raises SettingsError where Kafka knows no such names."""
    return _topic(channel)


def letters_of(channel: str, group: str) -> str:
    """The topic of the group's dead letters; raises SettingsError where Kafka knows no such."""
    # A channel's name has no `.`, so no two pairs of names make one topic.
    return _topic(f"{channel}.{group}.dead-letters")


def group_of(channel: str, group: str) -> str:
    """The consumer group: a group has one in each channel, which share no rebalances."""
    return f"{channel}.{group}"


def _topic(name: str) -> str:
    if not _TOPIC.fullmatch(name) or len(name) > LONGEST_TOPIC:
        raise SettingsError(
            f"{name} is no name for Kafka: at most {LONGEST_TOPIC} of A-Z, a-z, 0-9, `.`, `-`, `_`"
        )
    return name


def _security(scheme: str, credentials: str) -> dict[str, str]:
    wire = "SSL" if scheme.endswith("+ssl") else "PLAINTEXT"
    if not credentials:
        return {"security.protocol": wire}
    user, _, password = credentials.partition(":")
    return {
        "security.protocol": f"SASL_{wire}",
        "sasl.mechanism": "PLAIN",
        "sasl.username": unquote(user),
        "sasl.password": unquote(password),
    }


def _number(query: dict[str, str], name: str, most: int) -> int:
    text = query.pop(name, None)
    if text is None:
        return BROKERS_DEFAULT
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= most):
        raise SettingsError(f"{_PROBLEM} {name} is a number from 1 to {most}")
    return int(text)
