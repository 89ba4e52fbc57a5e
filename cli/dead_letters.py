"""`dead-letters`: messages that a group could not handle, looked at, replayed and discarded."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from brokers.dead_letters import DeadLetter, dead_letters, replay
from brokers.port import Broker
from cli.broker import configured_broker
from cli.letter_documents import action_document, body_of, document_of
from cli.mailboxes import Mailbox
from cli.problems import Problem
from cli.read_database import read_database
from cli.terminal import note, say, say_json
from read_model.dead_letters import Action, LetterAction, LetterActions
from runtime.settings import Settings

PATIENCE_SECONDS = 60.0
"""How long a broker may take to tell what it has."""


class UnknownLetter(Problem):
    """There is no such dead letter to act on."""

    def __init__(self, letter_id: str) -> None:
        super().__init__(
            f"there is no dead letter {letter_id}; `dead-letters list` shows those there are,"
            " --channel and --group together look where no catalogue leads"
        )


async def list_letters(boxes: Sequence[Mailbox], *, as_json: bool) -> int:
    """List the dead letters; returns the exit code, 1 when there is any."""
    async with configured_broker(Settings.from_environment(), PATIENCE_SECONDS) as broker:
        letters = await _all(broker, boxes)
    if as_json:
        say_json([document_of(it) for it in letters])
    elif letters:
        from cli.letter_tables import print_letters

        print_letters(letters)
    else:
        note("no dead letters")
    return 1 if letters else 0


async def show_letter(boxes: Sequence[Mailbox], letter_id: str, *, as_json: bool) -> int:
    """Show one letter, and what was done with its event before; raises UnknownLetter."""
    async with _desk(PATIENCE_SECONDS) as (broker, record):
        [letter] = await _chosen(broker, boxes, [letter_id])
        before = await record.of_event(letter.original.id)
    if as_json:
        say_json(
            {
                **document_of(letter),
                "headers": dict(letter.original.headers),
                "body": body_of(letter),
                "actions": [action_document(it) for it in before],
            }
        )
    else:
        from cli.letter_tables import print_letter

        print_letter(letter, before)
    return 0


@dataclass(frozen=True)
class Deciding:
    """What a person has decided about some letters."""

    action: Action
    by: str
    reason: str

    async def run(
        self, boxes: Sequence[Mailbox], letter_ids: Sequence[str] | None, *, as_json: bool
    ) -> int:
        """Do it to these letters, or to all; raises UnknownLetter before anything is done.

        A letter is taken away when it is recorded what became of it, so that whatever ends this on
        the way leaves letters to decide about again, and none that is lost.
        """
        done: list[LetterAction] = []
        # Each letter has its time at the broker and at the database, and there may be many.
        async with _desk(None) as (broker, record):
            letters = await _chosen(broker, boxes, letter_ids)
            for letter in letters:
                # Before anything happens: without its table nothing could be recorded.
                _ = await record.of_event(letter.original.id)
                done.append(await self._do(broker, record, letter))
                if not as_json:
                    self._say(letter)
        if as_json:
            say_json([action_document(it) for it in done])
        elif not done:
            note("no dead letters")
        return 0

    async def _do(self, broker: Broker, record: LetterActions, letter: DeadLetter) -> LetterAction:
        event = letter.event
        action = LetterAction(
            letter_id=letter.id,
            event_id=letter.original.id,
            event_type=event.type if event else None,
            channel=letter.channel.name,
            consumer_group=letter.group,
            action=self.action,
            done_by=self.by,
            reason=self.reason,
            done_at=datetime.now(UTC),
            correlation_id=event.correlationid if event else None,
        )
        if self.action == "replay":
            _ = await replay(broker, letter, lambda: record.record(action))
        else:
            await record.record(action)
            _ = await broker.remove_dead_letter(letter.channel, letter.group, letter.id)
        return action

    def _say(self, letter: DeadLetter) -> None:
        done = "replayed" if self.action == "replay" else "discarded"
        what = letter.event.type if letter.event else "message"
        name = f"{letter.channel.name}/{letter.group}"
        say(f"{letter.id}: {done}, {what} {letter.original.id} of {name}")


@asynccontextmanager
async def _desk(seconds: float | None) -> AsyncIterator[tuple[Broker, LetterActions]]:
    settings = Settings.from_environment()
    async with configured_broker(settings, seconds) as broker, read_database(settings) as engine:
        yield broker, LetterActions(engine)


async def _all(broker: Broker, boxes: Sequence[Mailbox]) -> list[DeadLetter]:
    return [
        letter for box in boxes for letter in await dead_letters(broker, box.channel, box.group)
    ]


async def _chosen(
    broker: Broker, boxes: Sequence[Mailbox], letter_ids: Sequence[str] | None
) -> list[DeadLetter]:
    letters = await _all(broker, boxes)
    if letter_ids is None:
        return letters
    found = {it.id: it for it in letters}
    if missing := [it for it in letter_ids if it not in found]:
        raise UnknownLetter(missing[0])
    return [found[it] for it in dict.fromkeys(letter_ids)]
