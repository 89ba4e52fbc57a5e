"""Where dead letters may lie: each group of each channel."""

from dataclasses import dataclass

from brokers.port import Channel
from cli.problems import BadInput
from contracts.catalogue import CATALOGUE

CHOREOGRAPHY = Channel("choreography", groups=("order", "payment", "inventory", "shipping"))
"""As `services.choreography` has it, whose import takes longer than the command."""


@dataclass(frozen=True)
class Mailbox:
    """A group's dead letters of a channel."""

    channel: Channel
    group: str

    @property
    def name(self) -> str:
        """For a person."""
        return f"{self.channel.name}/{self.group}"


def known_channels() -> list[Channel]:
    """The channels of the catalogue, each once, and the choreography's."""
    channels = [*(it.channel for it in CATALOGUE), CHOREOGRAPHY]
    return list({it.name: it for it in channels}.values())


def mailboxes(channel: str | None, group: str | None) -> list[Mailbox]:
    """Those that the options leave; both together may name one that no catalogue has.

    Raises BadInput where there are none.
    """
    known = [Mailbox(it, name) for it in known_channels() for name in it.groups]
    found = [it for it in known if channel in {None, it.channel.name} and group in {None, it.group}]
    if not found and channel is not None and group is not None:
        return [Mailbox(Channel(channel, groups=(group,)), group)]
    if not found:
        names = ", ".join(it.name for it in known)
        raise BadInput(f"--channel, --group: of {names} none is meant; give both for another")
    return found
