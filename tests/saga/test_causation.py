"""The tree of what caused what, from events made by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from saga.causation import DEEPEST, Line, lines_of
from saga.envelope import Event, JsonObject
from saga.identity import event_id

BEGAN = datetime(2026, 11, 24, 12, tzinfo=UTC)


def at(position: int, saga: str = "order-1", epoch: int = 1) -> str:
    return event_id(saga, epoch, position)


def event(
    position: int, cause: str | None, *, saga: str = "order-1", epoch: int = 1, later: int = 0
) -> Event[JsonObject]:
    return Event[JsonObject](
        saga_id=saga,
        epoch=epoch,
        position=position,
        correlation_id="c",
        causation_id=cause,
        event_type="Told",
        aggregate_id="1",
        aggregate_type="Thing",
        version=1,
        occurred_at=BEGAN + timedelta(seconds=later),
        data={},
    )


Shape = list["int | str | tuple[int | str, list[Shape]]"]
"""A line: positions, those of another saga with its id, and beside each what hangs on it."""


def shape(line: Line) -> Shape:
    told: Shape = []
    for node in line:
        it = node.event
        name = it.position if it.saga_id == "order-1" else f"{it.saga_id}/{it.position}"
        told.append((name, [shape(one) for one in node.caused]) if node.caused else name)
    return told


def shapes(events: list[Event[JsonObject]]) -> list[Shape]:
    return [shape(line) for line in lines_of(events)]


def test_nothing_has_no_tree() -> None:
    assert lines_of([]) == ()


def test_a_saga_that_does_one_thing_after_the_other_is_one_line() -> None:
    events = [event(0, None), *(event(it, at(it - 1)) for it in range(1, 6))]
    assert shapes(events[::-1]) == [[0, 1, 2, 3, 4, 5]]


def test_what_runs_beside_hangs_on_its_command() -> None:
    events = [event(0, None), event(1, at(0)), event(3, at(1)), event(2, at(1)), event(4, at(3))]
    assert shapes([*events, event(5, at(4))]) == [[0, (1, [[2]]), 3, 4, 5]]


def test_a_saga_that_another_one_started_hangs_on_the_event_that_did_it() -> None:
    events = [event(0, None), event(1, at(0)), event(2, at(1))]
    started = [
        event(0, at(1), saga="trip-7", later=1),
        event(1, at(0, "trip-7"), saga="trip-7", later=2),
        event(2, at(1, "trip-7"), saga="trip-7", later=3),
        event(3, at(2, "trip-7"), saga="trip-7", later=3),
    ]
    assert shapes(events + started) == [
        [0, (1, [["trip-7/0", "trip-7/1", "trip-7/2", "trip-7/3"]]), 2]
    ]


def test_a_saga_started_by_the_last_event_does_not_go_on_in_its_line() -> None:
    events = [event(0, None), event(0, at(0), saga="trip-7")]
    assert shapes(events) == [[(0, [["trip-7/0"]])]]


def test_what_has_an_unknown_cause_is_a_root_and_the_first_saga_is_first() -> None:
    late = event(0, "somebody's request", saga="a-late", later=5)
    orphan = event(7, "lost", later=9)
    assert shapes([late, orphan, event(0, None)]) == [[0], [7], ["a-late/0"]]


def test_an_event_that_comes_twice_counts_once() -> None:
    assert shapes([event(0, None), event(1, at(0)), event(1, at(0)), event(0, None)]) == [[0, 1]]


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([event(3, at(3))], [[3]]),
        ([event(1, at(2)), event(2, at(1))], [[1, 2]]),
        ([event(1, at(3)), event(2, at(1)), event(3, at(2)), event(4, at(3))], [[1, 2, 3, 4]]),
        ([event(0, None), event(5, at(6)), event(6, at(5))], [[0], [5, 6]]),
    ],
    ids=["itself", "two", "three-and-a-tail", "beside-a-sound-one"],
)
def test_a_circle_is_cut_open(events: list[Event[JsonObject]], told: list[Shape]) -> None:
    assert shapes(events[::-1]) == told


def test_epochs_of_a_reset_are_branches_of_what_was_copied() -> None:
    copied = [event(0, None), event(1, at(0))]
    abandoned = [event(2, at(1))]
    newer = [event(2, at(1), epoch=2), event(3, at(2, epoch=2), epoch=2)]
    [line] = lines_of([*copied, *abandoned, *newer])
    assert [node.event.epoch for node in line] == [1, 1, 2, 2]
    assert [node.event.epoch for node in line[1].caused[0]] == [1]


def test_a_long_log_does_not_nest() -> None:
    events = [event(0, None), *(event(it, at(it - 1)) for it in range(1, 20_000))]
    [line] = lines_of(events)
    assert len(line) == 20_000


def test_what_nests_too_deep_begins_at_the_top_again() -> None:
    sagas = [f"s-{number:04}" for number in range(3 * DEEPEST)]
    causes = [None, *(at(0, saga) for saga in sagas)]
    events = [
        event(0, cause, saga=saga, later=number)
        for number, (saga, cause) in enumerate(zip(sagas, causes, strict=False))
    ]
    lines = lines_of(events)
    assert [line[0].event.saga_id for line in lines] == ["s-0000", "s-0101", "s-0202"]
    total, waiting = 0, list(lines)
    while waiting:
        line = waiting.pop()
        total += len(line)
        waiting += [one for node in line for one in node.caused]
    assert total == len(sagas)
