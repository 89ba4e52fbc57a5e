"""The audit of the published events as a person reads it."""

from collections.abc import Sequence

from audit.event_findings import ChannelSeen, ConsumerSeen, EventAudit
from cli.terminal import note, say

_TWICE_SHOWN = 5
"""`--json` has all."""


def print_event_audit(found: EventAudit, published: Sequence[str] | None) -> None:
    """Print what was looked at, what is twice, what was published again, and the findings."""
    say(f"{_count(found.sagas, 'order')} published: {_count(found.due, 'message')} due")
    for channel in found.channels:
        say(f"{channel.name}: {_held(channel)}")
    for consumer in found.consumers:
        say(f"{consumer.name} of {consumer.channel}: {_got(consumer)}")
    if found.untold:
        say(
            f"{_count(found.untold, 'order')} with its history gone and nothing on the broker:"
            " whether it published is not known any more"
        )
    if found.under_way:
        note(f"{found.under_way} not there yet: still being published, or waiting for a consumer")
    for about, times in found.twice[:_TWICE_SHOWN]:
        say(f"{times} times, with the same content: {about.type} {about.id} of {about.order_id}")
    if len(found.twice) > _TWICE_SHOWN:
        say(f"... and {len(found.twice) - _TWICE_SHOWN} more; consumers take in each once")
    for finding in found.findings:
        order = f"order {finding.order_id}: " if finding.order_id else ""
        event = f"{finding.event_id}: " if finding.event_id else ""
        say(f"{finding.kind}: {order}{event}{finding.message}")
        say(f"  next: {finding.next}")
    if published is not None:
        note(f"{_count(len(published), 'message')} published again; above is what is left")
    if found.clean:
        say("clean: broker and inboxes have what the logs say")


def _held(channel: ChannelSeen) -> str:
    if not channel.logged:
        return "this kind of broker keeps no log, so only inboxes tell what came"
    others = f", {channel.others} of others" if channel.others else ""
    unreadable = f", {channel.unreadable} unreadable" if channel.unreadable else ""
    return f"{_count(channel.messages, 'message')}{others}{unreadable}"


def _got(consumer: ConsumerSeen) -> str:
    inbox = "inbox not looked at" if consumer.inbox is None else f"{consumer.inbox} taken in"
    return f"{inbox}, {consumer.waiting} waiting, {_count(consumer.dead, 'dead letter')}"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
