"""The audit of published events: each fault that is planted is found by its id, and repaired."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit.event_findings import EventAudit, EventKind
from audit.event_plane import Scope, made
from audit.saga_log import Source, unreadable
from brokers.envelope import Message
from contracts.catalogue import ORDERS
from tests.audit.ledgers import AT
from tests.audit.published import (
    COMPLETED,
    IDS,
    ORDER_COPY,
    RUNNING,
    LoglessBroker,
    Sound,
    named,
)


@pytest.fixture
async def sound(tmp_path: Path) -> Sound:
    everything = Sound(tmp_path)
    await everything.happen()
    return everything


def findings(found: EventAudit) -> list[tuple[EventKind, str | None, str | None]]:
    return [(it.kind, it.event_id, it.consumer) for it in found.findings]


async def test_what_is_where_it_should_be_is_clean(sound: Sound) -> None:
    found = await sound.audit()
    assert (findings(found), found.under_way, found.twice) == ([], 0, [])
    assert (found.sagas, found.due) == (4, 3 * 3 + 2)
    messages = {it.name: it.messages for it in found.channels}
    assert messages == {"orders": 8, "notification-commands": 3}
    assert {(it.name, it.inbox) for it in found.consumers} == {
        (ORDER_COPY, 8),
        ("notification", None),
    }


@pytest.mark.parametrize("which", range(3))
async def test_what_is_missing_on_the_broker_is_published_again(sound: Sound, which: int) -> None:
    lost = sound.events(IDS[0])[which]
    sound.forget(lost.id)
    found = await sound.audit()
    assert findings(found) == [(EventKind.MISSING, lost.id, None)]
    assert found.findings[0].order_id == IDS[0]

    assert (await sound.audit(repair=True)).clean
    assert sound.published == [lost.id]
    [again] = [it for kept in sound.broker.messages.values() for it in kept if it.id == lost.id]
    assert again == Message.binary(lost)
    # The inbox had it before, so nothing is left to repair.
    await sound.take_in()
    assert (await sound.audit(repair=True)).clean
    assert sound.published == []


async def test_what_is_missing_is_published_in_order(sound: Sound) -> None:
    events = [it for order_id in IDS[:2] for it in sound.events(order_id)]
    for event in events:
        sound.forget(event.id)
    assert (await sound.audit(repair=True)).clean
    assert sound.published == [it.id for it in events]
    last = sound.broker.messages["orders"][-4:]
    assert [it.id for it in last] == [it.id for it in events if it.type != "SendOrderConfirmation"]


async def test_what_was_published_twice_harms_nobody_and_is_told(sound: Sound) -> None:
    twice = sound.events(IDS[1])[0]
    await sound.publish(twice)
    await sound.take_in()
    found = await sound.audit()
    assert found.clean
    assert [(about.id, times) for about, times in found.twice] == [(twice.id, 2)]


@pytest.mark.parametrize("original", [True, False])
async def test_another_content_under_the_same_id_is_found(sound: Sound, original: bool) -> None:
    event = sound.events(IDS[1])[0]
    if not original:
        sound.forget(event.id)
    other = event.model_copy(update={"data": {**event.data, "total_minor": 1}})
    await sound.publish(other)
    await sound.take_in()
    assert findings(await sound.audit()) == [(EventKind.DIFFERS, event.id, None)]


async def test_an_orphan_is_found(sound: Sound) -> None:
    foreign = sound.events(IDS[2])[0].model_copy(update={"id": "nobodys", "subject": "4799"})
    await sound.publish(foreign)
    await sound.take_in()
    assert findings(await sound.audit()) == [(EventKind.ORPHAN, "nobodys", None)]
    # Also where only its consumer still knows of it.
    sound.forget("nobodys")
    assert findings(await sound.audit()) == []  # Its saga may be too new to be listed.
    found = await sound.audit(Scope(grace=timedelta(0)))
    assert findings(found) == [(EventKind.ORPHAN, "nobodys", ORDER_COPY)]


async def test_what_others_publish_is_no_orphan(sound: Sound) -> None:
    event = sound.events(IDS[2])[0]
    await sound.publish(event.model_copy(update={"id": "theirs", "source": "/others"}))
    await sound.broker.publish(ORDERS, [Message(b"no event", "k", "m")])
    found = await sound.audit()
    assert (findings(found), found.channels[0].others, found.channels[0].unreadable) == ([], 1, 1)


async def test_a_saga_that_has_begun_since_is_no_orphans(sound: Sound) -> None:
    new = named(COMPLETED, "4780")
    sound.logs.begun["4780"] = new
    await sound.publish(*made(new, new.events))
    found = await sound.audit()
    assert (findings(found), found.under_way) == ([], 2)


async def test_what_an_abandoned_run_has_told_is_no_orphan(sound: Sound) -> None:
    [_, rejected] = sound.events(IDS[3])
    log = sound.logs.logs[IDS[3]]
    kept, lost = log.events[:-1], log.events[-1:]
    sound.logs.logs[IDS[3]] = replace(log, events=kept, abandoned=lost)
    assert (await sound.audit()).clean
    sound.forget(rejected.id)
    assert (await sound.audit()).clean


async def test_what_a_consumer_has_missed_is_found_and_mended(sound: Sound) -> None:
    new = named(COMPLETED, "4780")
    sound.logs.logs["4780"] = new
    placed = made(new, new.events)[0]
    await sound.publish(*made(new, new.events))
    found = await sound.audit()
    assert (findings(found), found.under_way) == ([], 2)  # It has still to get them.
    await sound.take_in(placed.id)
    found = await sound.audit()
    assert findings(found) == [(EventKind.NOT_TAKEN_IN, placed.id, ORDER_COPY)]
    found = await sound.audit(repair=True)
    assert (findings(found), found.under_way, sound.published) == ([], 1, [placed.id])
    await sound.take_in()
    assert (await sound.audit(repair=True)).clean
    assert sound.published == []


async def test_a_dead_letter_is_named_and_not_published_again(sound: Sound) -> None:
    new = named(COMPLETED, "4780")
    sound.logs.logs["4780"] = new
    placed = made(new, new.events)[0]
    await sound.publish(*made(new, new.events))
    await sound.take_in(placed.id)
    letter = replace(Message.binary(placed), id="letter-1")
    await sound.broker.bury(ORDERS, ORDER_COPY, letter)
    found = await sound.audit(repair=True)
    assert findings(found) == [(EventKind.DEAD, placed.id, ORDER_COPY)]
    assert "letter-1" in found.findings[0].message
    assert sound.published == []


async def test_a_running_saga_has_some_time_to_publish(sound: Sound) -> None:
    sound.logs.logs["4780"] = named(RUNNING, "4780")
    placed = sound.events("4780")[0]
    patient = Scope(grace=datetime.now(UTC) - AT + timedelta(minutes=1))
    found = await sound.audit(patient)
    assert (findings(found), found.under_way) == ([], 1)
    assert findings(await sound.audit()) == [(EventKind.MISSING, placed.id, None)]
    # One that has closed had published everything before.
    sound.logs.logs["4780"] = named(replace(RUNNING, closed=True), "4780")
    assert findings(await sound.audit(patient)) == [(EventKind.MISSING, placed.id, None)]


async def test_only_sagas_that_publish_have_to(sound: Sound) -> None:
    sound.logs.logs["4780"] = replace(named(COMPLETED, "4780"), sinks=())
    found = await sound.audit()
    assert (findings(found), found.sagas) == ([], 4)
    await sound.publish(*sound.events("4780"))
    await sound.take_in()
    assert (await sound.audit()).clean


async def test_without_its_history_a_saga_publishes_if_anything_of_it_is_found(
    sound: Sound,
) -> None:
    gone = replace(named(COMPLETED, "4780"), sinks=None, source=Source.EVENTS)
    sound.logs.logs["4780"] = gone
    found = await sound.audit()
    assert (findings(found), found.untold) == ([], 1)
    placed, *others = sound.events("4780")
    await sound.publish(*others)
    await sound.take_in()
    found = await sound.audit()
    assert findings(found) == [(EventKind.MISSING, placed.id, None)]
    assert found.untold == 0


async def test_what_is_older_than_the_brokers_memory_may_be_gone(sound: Sound) -> None:
    sound.forget(sound.events(IDS[0])[0].id)
    assert (await sound.audit(Scope(since=AT + timedelta(seconds=1)))).clean
    assert not (await sound.audit(Scope(since=AT))).clean


async def test_one_log_that_cant_be_read_leaves_the_others(sound: Sound) -> None:
    lost = sound.events(IDS[0])[0]
    sound.forget(lost.id)
    sound.logs.logs[IDS[1]] = unreadable(IDS[1], Source.HISTORY, ValueError("no"))
    assert findings(await sound.audit()) == [
        (EventKind.LOG_UNREADABLE, None, None),
        (EventKind.MISSING, lost.id, None),
    ]


async def test_where_there_is_no_log_inboxes_tell(tmp_path: Path) -> None:
    sound = Sound(tmp_path, broker=LoglessBroker())
    await sound.happen()
    found = await sound.audit()
    assert found.clean
    assert not any(it.logged for it in found.channels)
    new = named(COMPLETED, "4780")
    sound.logs.logs["4780"] = new
    placed, confirmed, _ = made(new, new.events)
    assert findings(await sound.audit()) == [
        (EventKind.NOT_TAKEN_IN, placed.id, ORDER_COPY),
        (EventKind.NOT_TAKEN_IN, confirmed.id, ORDER_COPY),
    ]
    _ = await sound.audit(repair=True)
    assert sound.published == [placed.id, confirmed.id]
    await sound.take_in()
    assert (await sound.audit()).clean
