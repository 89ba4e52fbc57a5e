"""Names and settings of what a channel is on SNS and SQS."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from runtime.errors import SettingsError

LONGEST_TOPIC = 256
LONGEST_QUEUE = 80

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_TOKEN = re.compile(r"[!-~]{1,128}")
_PROBLEM = "EVENT_BROKER_URL:"


@dataclass(frozen=True)
class Layout:
    """What the URL says: `sns+sqs://REGION?endpoint=URL&visibility=S&wait=S&max_receives=N`."""

    region: str
    endpoint: str | None = None
    """Of something that speaks SNS's and SQS's protocols; None means AWS."""
    visibility: int = 30
    """Seconds for which a delivery is nobody else's; extended while it is under way."""
    wait: int = 20
    """Seconds of long polling; with 0 the queue is asked again after a short pause."""
    max_receives: int = 20
    """How often a message is received in vain before SQS moves it to the dead letters."""

    @classmethod
    def of_url(cls, url: str) -> Self:
        """Raises SettingsError, one line that says what to give."""
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise SettingsError(
                f"{_PROBLEM} no credentials in the URL: set AWS_ACCESS_KEY_ID and"
                " AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            )
        if not _NAME.fullmatch(parts.netloc) or parts.path.strip("/"):
            raise SettingsError(f"{_PROBLEM} give sns+sqs://REGION, such as sns+sqs://eu-west-1")
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        endpoint = query.pop("endpoint", None)
        if endpoint is not None and urlsplit(endpoint).scheme not in {"http", "https"}:
            raise SettingsError(f"{_PROBLEM} endpoint is a URL such as http://127.0.0.1:5000")
        layout = cls(
            parts.netloc,
            endpoint,
            visibility=_number(query, "visibility", cls.visibility, 1, 43_200),
            wait=_number(query, "wait", cls.wait, 0, 20),
            max_receives=_number(query, "max_receives", cls.max_receives, 1, 1000),
        )
        if query:
            raise SettingsError(f"{_PROBLEM} sns+sqs:// knows no {', '.join(sorted(query))}")
        return layout

    @property
    def place(self) -> str:
        """For messages to people."""
        return self.endpoint or self.region


def topic_of(channel: str) -> str:
    """Raises SettingsError where SNS knows no such names."""
    return _fifo(channel, LONGEST_TOPIC)


def queue_of(channel: str, group: str) -> str:
    """Raises SettingsError where SQS knows no such names."""
    # A channel's name has no `_`, so no two pairs of names make one queue.
    return _fifo(f"{channel}_{group}", LONGEST_QUEUE)


def letters_of(channel: str, group: str) -> str:
    """The queue of dead letters; raises SettingsError where SQS knows no such names."""
    return _fifo(f"{channel}_{group}_dead-letters", LONGEST_QUEUE)


def token(text: str) -> str:
    """The text as a group's or deduplication id, which takes 128 printable letters of ASCII."""
    if _TOKEN.fullmatch(text):
        return text
    return f"sha256-{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def queue_arn(topic_arn: str, queue: str) -> str:
    """That of a queue beside the topic."""
    _, partition, _, region, account, _ = topic_arn.split(":")
    return f"arn:{partition}:sqs:{region}:{account}:{queue}"


def _fifo(name: str, longest: int) -> str:
    full = f"{name}.fifo"
    if not _NAME.fullmatch(name) or len(full) > longest:
        raise SettingsError(
            f"{full} is no name for AWS: at most {longest} of A-Z, a-z, 0-9, `-` and `_`"
        )
    return full


def _number(query: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.pop(name, str(default))
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        raise SettingsError(f"{_PROBLEM} {name} is a number from {least} to {most}")
    return int(text)
