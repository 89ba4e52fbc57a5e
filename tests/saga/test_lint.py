"""Every rule has a trip that breaks it, alone; the sagas as they are break none."""

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from saga import Batch, SagaKind, SagaWorkflow, Sink, lint
from saga.steps import AnyStep, Policy, Step, Undo
from tests.saga.trips import (
    Bookings,
    Cancel,
    TripSaga,
    ask_weather,
    book_flight,
    book_hostel,
    book_hotel,
    cancel_hostel,
    cancel_hotel,
    send_tickets,
)
from tests.saga.unsafe_trips import FailsOnBug, Undecorated
from workflows.order import OrderSaga

ROOT = Path(__file__).parents[2]
HOUR = timedelta(hours=1)
ENDLESS = Policy()
LIMITED = Policy(give_up_after=HOUR)
SEVERAL = Policy(max_attempts=3)


@dataclass(frozen=True)
class Bad:
    """Steps that break one rule."""

    rule: str
    step: str
    do: str
    """A part of the message that says what to do."""
    steps: tuple[AnyStep, ...]
    deadline: timedelta | None = HOUR

    def __str__(self) -> str:
        return f"{self.rule}: {self.do}"


plain_hotel = replace(book_hotel, fallback=None)


def flight(**changes: Any) -> AnyStep:
    return replace(book_flight, **changes)


def hotel(**changes: Any) -> AnyStep:
    return replace(plain_hotel, **changes)


def hostel(**changes: Any) -> AnyStep:
    return replace(book_hostel, **changes)


def tickets(**changes: Any) -> AnyStep:
    return replace(send_tickets, **changes)


def hotel_undone(policy: Policy) -> AnyStep:
    return hotel(undo=Undo(Bookings.cancel_hotel, Cancel.undoing, policy=policy))


BAD = [
    Bad("undo-missing", "book-hotel", "`has_effect=False`", (hotel(undo=None), book_flight)),
    Bad("undo-missing", "book-flight", "`undo=Undo(...)`", (flight(undo=None, probe=None),)),
    Bad("undo-missing", "book-flight", "may end without an answer", (flight(undo=None),)),
    Bad("undo-missing", "send-tickets", "`pivot=True`", (plain_hotel, send_tickets)),
    Bad(
        *("undo-missing", "ask-weather", "`undo=Undo(...)`"),
        (replace(ask_weather, has_effect=True), book_flight),
    ),
    Bad(
        *("undo-missing", "book-hostel", "`undo=Undo(...)`"),
        (hotel(fallback=hostel(undo=None)), book_flight),
    ),
    Bad("undo-late", "book-hotel", "`expires_after`", (hotel(undo_registered="after"),)),
    Bad(
        *("undo-late", "book-flight", "leave out `undo_registered"),
        (flight(undo_registered="after", expires_after=HOUR),),
    ),
    Bad("undo-unlimited", "book-hotel", "`give_up_after`", (hotel_undone(ENDLESS),)),
    Bad("pivot-unlimited", "book-flight", "`give_up_after`", (flight(policy=ENDLESS),)),
    Bad("pivot-optional", "book-flight", "leave out `optional=True`", (flight(optional=True),)),
    Bad(
        *("pivot-twice", "book-hotel", "declare the one as the other's `fallback`"),
        (book_flight, hotel(pivot=True)),
    ),
    Bad(
        *("retries-limited", "send-tickets", "`give_up_after`"),
        (book_flight, tickets(policy=LIMITED)),
    ),
    Bad(
        *("retries-limited", "send-tickets", "`by_hand`"),
        (book_flight, tickets(policy=SEVERAL)),
    ),
    Bad("never-ends", "book-hotel", "declare `deadline`", (plain_hotel, book_flight), None),
    Bad("never-ends", "book-hotel", "declare `deadline`", (plain_hotel,), None),
    Bad(
        *("fallback-pivot", "book-hostel", "mark it `pivot=True`"),
        (flight(fallback=book_hostel),),
    ),
    Bad(
        *("fallback-pivot", "book-flight", "mark both `pivot=True` or none"),
        (hotel(fallback=book_flight),),
    ),
    Bad(
        *("fallback-optional", "book-hostel", "set `optional=False`"),
        (book_flight, hotel(fallback=hostel(optional=True))),
    ),
    Bad(
        *("fallback-optional", "book-hostel", "set `optional=True`"),
        (hotel(optional=True, fallback=book_hostel), book_flight),
    ),
    Bad("name-twice", "book-hotel", "list it once", (plain_hotel, plain_hotel, book_flight)),
    Bad(
        "name-twice",
        "book-hotel",
        "name the functions",
        (plain_hotel, hotel(undo=cancel_hostel), book_flight),
    ),
    Bad(
        *("name-twice", "book-hostel", "its undo has the name cancel-hotel"),
        (hotel(fallback=hostel(undo=cancel_hotel)), book_flight),
    ),
    Bad(
        *("name-twice", "book-flight", "its probe has the name book-flight"),
        (flight(probe=Bookings.book_flight),),
    ),
    Bad(
        *("activity-undecorated", "dream", "`@activity.defn`"),
        (Step(action=Bookings.dream, has_effect=False),),
    ),
    *(
        Bad("policy-unusable", "book-hotel", do, (hotel(policy=policy), book_flight))
        for do, policy in {
            "`attempt_timeout` must": Policy(attempt_timeout=timedelta()),
            "`heartbeat_timeout` must": Policy(heartbeat_timeout=timedelta()),
            "`give_up_after` must": Policy(give_up_after=timedelta()),
            "`max_attempts` must": Policy(max_attempts=-1),
            "`first_pause` must": Policy(first_pause=-HOUR),
            "`longest_pause` must": Policy(first_pause=HOUR),
        }.items()
    ),
    Bad(
        *("policy-unusable", "book-hotel", "in its undo's policy"),
        (hotel_undone(Policy(first_pause=HOUR, max_attempts=3)),),
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_a_rule_that_is_broken_is_told_alone(bad: Bad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TripSaga, "steps", bad.steps)
    monkeypatch.setattr(TripSaga, "deadline", bad.deadline)
    told = lint(TripSaga)
    assert [(it.rule, it.step) for it in told] == [(bad.rule, bad.step)], told
    assert bad.do in told[0].message
    assert "\n" not in told[0].message


GOOD: dict[str, tuple[AnyStep, ...]] = {
    "all that a step may declare": TripSaga.steps,
    "no pivot, and all may be undone": (ask_weather, book_hotel),
    "a reservation that lapses": (hotel(undo_registered="after", expires_after=HOUR),),
    "a pivot that stands for a pivot": (
        flight(fallback=hostel(pivot=True)),
        send_tickets,
    ),
    "limited, for a person to take over": (
        book_flight,
        tickets(policy=LIMITED, by_hand=lambda book: book),
    ),
    "limited, and may be left out": (book_flight, tickets(policy=LIMITED, optional=True)),
    "one fallback of two steps": (
        hotel(fallback=book_hostel),
        flight(pivot=False, fallback=book_hostel),
    ),
}


@pytest.mark.parametrize("steps", GOOD.values(), ids=GOOD.keys())
def test_what_is_safe_is_left_alone(
    steps: tuple[AnyStep, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TripSaga, "steps", steps)
    assert lint(TripSaga) == []


def test_without_a_deadline_limits_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TripSaga, "deadline", None)
    steps = (hotel(policy=LIMITED), book_flight, send_tickets)
    monkeypatch.setattr(TripSaga, "steps", steps)
    assert lint(TripSaga) == []


async def hand_over(_: object, batch: Batch) -> None:
    raise NotImplementedError


SINKS = (Sink(name="log", activity=hand_over), Sink(name="log", activity=hand_over, optional=True))


CLASS: list[tuple[str, str, str, object]] = [
    ("kind-name", "use letters and", "kind", SagaKind(name="a/b", workflow="TripSaga")),
    ("kind-name", "use letters and", "kind", SagaKind(name="", workflow="TripSaga")),
    ("workflow-name", "name=KIND.workflow", "kind", SagaKind(name="trip", workflow="Trip")),
    ("kind-missing", "declare `kind", "kind", None),
    ("steps-missing", "list in `steps`", "steps", ()),
    ("flow-missing", "define `flow`", "flow", SagaWorkflow.flow),
    ("sink-twice", "rename one", "sinks", SINKS),
]


@pytest.mark.parametrize(("rule", "do", "attribute", "value"), CLASS)
def test_the_class_is_looked_at_too(
    rule: str, do: str, attribute: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TripSaga, attribute, value)
    [told] = lint(TripSaga)
    assert (told.rule, told.step) == (rule, "")
    assert do in told.message


DECORATOR = [
    (FailsOnBug, "fails-on-bug", "leave out `failure_exception_types`"),
    (Undecorated, "workflow-undecorated", "`@workflow.defn`"),
]


@pytest.mark.parametrize(("saga", "rule", "do"), DECORATOR)
def test_its_decorator_is_looked_at_too(saga: type[SagaWorkflow[Any]], rule: str, do: str) -> None:
    [told] = lint(saga)
    assert told.rule == rule
    assert do in told.message


def test_the_order_saga_is_safe() -> None:
    assert lint(OrderSaga) == []


@pytest.mark.parametrize("name", ["book_hotel", "cancel_hotel", "book_hostel", "find_flight"])
def test_actions_undos_and_probes_must_be_registered(name: str) -> None:
    registered = {it.__name__ for it in Bookings().all}
    assert lint(TripSaga, registered) == []
    [told] = lint(TripSaga, registered - {name})
    assert told.rule == "activity-unregistered"
    assert f"is not registered as {name!r}: add it to the worker's `activities`" in told.message


def test_the_table_of_rules_has_each_of_them() -> None:
    rules = set(re.findall(r'Flaw\(\s*"([a-z-]+)"', (ROOT / "saga/rules.py").read_text()))
    table = re.findall(r"^\| `([a-z-]+)`", (ROOT / "docs/lint.md").read_text(), re.MULTILINE)
    assert sorted(table) == sorted(rules)
    tested = {bad.rule for bad in BAD} | {"activity-unregistered"}
    assert rules == tested | {it[0] for it in CLASS} | {it[1] for it in DECORATOR}
