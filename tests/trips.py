"""A saga in another domain than orders, whose plans use every policy of a step."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

from saga import (
    Call,
    Command,
    DomainEvent,
    Event,
    Headline,
    Policy,
    Saga,
    SagaCommand,
    SagaInput,
    SagaKind,
    SagaOutcome,
    SagaWorkflow,
    Step,
    StepRefused,
    Undo,
    answered,
    did_not_happen,
    outage,
    refused,
)

ToldT = TypeVar("ToldT", bound=DomainEvent)

BRIEF = Policy(
    attempt_timeout=timedelta(seconds=2),
    first_pause=timedelta(milliseconds=10),
    longest_pause=timedelta(milliseconds=10),
    max_attempts=3,
)


class BookTrip(SagaCommand):
    trip_id: str
    plan: str
    """What the flow does; see `TripSaga.flow`."""

    def headline(self) -> Headline:
        return Headline(business_id=self.trip_id)


class Book(Command):
    trip_id: str
    seats: int = 1


class GiveBack(Command):
    trip_id: str
    account: str = "A-1"


class Booked(DomainEvent):
    aggregate_type: ClassVar[str] = "Booking"
    booking_id: str
    seats: int

    @property
    def aggregate_id(self) -> str:
        return self.booking_id


class GivenBack(DomainEvent):
    aggregate_type: ClassVar[str] = "Booking"
    booking_id: str
    account: str

    @property
    def aggregate_id(self) -> str:
        return self.booking_id


def give_back(book: Book) -> GiveBack:
    return GiveBack(trip_id=book.trip_id)


def sent_by_hand(book: Book) -> Booked:
    return Booked(booking_id=f"{book.trip_id}-by-hand", seats=book.seats)


class Agency:
    """Books and gives back, each key once; for the rest it does what a test tells it to."""

    def __init__(self) -> None:
        self.ledger: list[str] = []
        """What was done, by name."""
        self.calls: list[Call[Any]] = []
        self.refuse: set[str] = set()
        """What is refused, for good by its key."""
        self.reused: set[str] = set()
        """What answers that its key was used with other content."""
        self.bugs: set[str] = set()
        """What raises what nobody foresaw."""
        self.undone: set[str] = set()
        """What answers that it was undone, as after a reset of a compensated saga."""
        self.silent: dict[str, bool] = {}
        """What gets no answer, and whether it is done all the same."""
        self.held = asyncio.Event()
        """Set when what is held has been called."""
        self._hold: str | None = None
        self._let_go = asyncio.Event()
        self._told: dict[str, DomainEvent | str] = {}

    def hold(self, name: str) -> None:
        """Let calls of that name wait until they are let go."""
        self._hold = name
        self._let_go = asyncio.Event()

    def let_go(self) -> None:
        """Let what is held go on."""
        self._let_go.set()

    @activity.defn
    async def book_flight(self, call: Call[Book]) -> Event[Booked]:
        return await self._book(call)

    @activity.defn
    async def find_flight(self, call: Call[Book]) -> Event[Booked]:
        return self._find(call)

    def _find(self, call: Call[Book]) -> Event[Booked]:
        self.calls.append(call)
        if call.name in self.silent:
            raise outage("nobody there")
        told = self._told.get(call.key)
        if not isinstance(told, Booked):
            raise did_not_happen(call)
        return _answer(call, told)

    @activity.defn
    async def find_tickets(self, call: Call[Book]) -> Event[Booked]:
        return self._find(call)

    @activity.defn
    async def book_train(self, call: Call[Book]) -> Event[Booked]:
        return await self._book(call)

    @activity.defn
    async def book_hotel(self, call: Call[Book]) -> Event[Booked]:
        return await self._book(call)

    @activity.defn
    async def book_car(self, call: Call[Book]) -> Event[Booked]:
        return await self._book(call)

    @activity.defn
    async def pay_trip(self, call: Call[Book]) -> Event[Booked]:
        return await self._book(call)

    @activity.defn
    async def send_tickets(self, call: Call[Book]) -> Event[Booked]:
        return await self._book(call)

    @activity.defn
    async def give_flight_back(self, call: Call[GiveBack]) -> Event[GivenBack]:
        return await self._give_back(call)

    @activity.defn
    async def give_train_back(self, call: Call[GiveBack]) -> Event[GivenBack]:
        return await self._give_back(call)

    @activity.defn
    async def give_hotel_back(self, call: Call[GiveBack]) -> Event[GivenBack]:
        return await self._give_back(call)

    @activity.defn
    async def give_car_back(self, call: Call[GiveBack]) -> Event[GivenBack]:
        return await self._give_back(call)

    @activity.defn
    async def take_payment_back(self, call: Call[GiveBack]) -> Event[GivenBack]:
        return await self._give_back(call)

    @property
    def activities(self) -> list[Callable[[Call[Any]], Awaitable[Event[Any]]]]:
        return [
            self.book_flight,
            self.find_flight,
            self.find_tickets,
            self.book_train,
            self.book_hotel,
            self.book_car,
            self.pay_trip,
            self.send_tickets,
            self.give_flight_back,
            self.give_train_back,
            self.give_hotel_back,
            self.give_car_back,
            self.take_payment_back,
        ]

    def keys(self, name: str) -> list[str]:
        """The keys of all calls of that name, without the saga's id."""
        return [call.key.split("/", 1)[1] for call in self.calls if call.name == name]

    async def _book(self, call: Call[Book]) -> Event[Booked]:
        booked = Booked(booking_id=f"{call.name}-1", seats=call.command.seats)
        return _answer(call, await self._once(call, booked))

    async def _give_back(self, call: Call[GiveBack]) -> Event[GivenBack]:
        given = GivenBack(booking_id=str(call.undoes), account=call.command.account)
        told = await self._once(call, given)
        self._told[str(call.undoes)] = "urn:problem:undone"
        return _answer(call, told)

    async def _once(self, call: Call[Any], told: ToldT) -> ToldT:
        self.calls.append(call)
        if call.name == self._hold:
            self.held.set()
            await self._let_go.wait()
        if call.name in self.bugs:
            raise KeyError("nobody foresaw this")
        if call.name in self.reused:
            raise refused(call, "urn:problem:key-reused", "another request has this key")
        if call.name in self.undone:
            raise refused(call, "urn:problem:undone", "it was undone")
        happens = self.silent.get(call.name, True)
        if happens and call.key not in self._told:
            refuses = call.name in self.refuse
            self._told[call.key] = f"urn:problem:{call.name}" if refuses else told
            if not refuses:
                self.ledger.append(call.name)
        if call.name in self.silent:
            raise outage("nobody there")
        stored = self._told[call.key]
        if isinstance(stored, str):
            raise refused(call, stored, f"{call.name} was refused")
        assert isinstance(stored, type(told))
        return stored


def _answer(call: Call[Any], event: ToldT) -> Event[ToldT]:
    return answered(call, event, version=1, occurred_at=datetime.now(UTC))


book_train = Step(
    action=Agency.book_train, undo=Undo(Agency.give_train_back, give_back, policy=BRIEF)
)
book_flight = Step(
    action=Agency.book_flight,
    undo=Undo(Agency.give_flight_back, give_back, policy=BRIEF),
    policy=BRIEF,
    fallback=book_train,
    probe=Agency.find_flight,
)
book_hotel = Step(
    action=Agency.book_hotel,
    undo=Undo(Agency.give_hotel_back, give_back, policy=BRIEF, holds_up=False),
    policy=BRIEF,
    expires_after=timedelta(hours=1),
    undo_registered="after",
)
book_car = Step(
    action=Agency.book_car,
    undo=Undo(Agency.give_car_back, give_back, policy=BRIEF),
    optional=True,
)
pay_trip = Step(
    action=Agency.pay_trip,
    undo=Undo(Agency.take_payment_back, give_back, policy=BRIEF),
    pivot=True,
    policy=BRIEF,
)
send_tickets = Step(
    action=Agency.send_tickets, policy=BRIEF, probe=Agency.find_tickets, by_hand=sent_by_hand
)


@workflow.defn
class TripSaga(SagaWorkflow[BookTrip]):
    """Each plan is a story of its own."""

    kind = SagaKind[BookTrip](name="trip", workflow="TripSaga")
    steps = (book_flight, book_hotel, book_car, pay_trip, send_tickets)

    @workflow.run
    async def run(self, start: SagaInput[BookTrip]) -> SagaOutcome:
        return await self.execute(start)

    async def flow(self, saga: Saga, trip: BookTrip) -> None:
        book = Book(trip_id=trip.trip_id)
        if trip.plan == "whole":
            await saga.step(book_flight, book)
            await saga.step(book_hotel, book)
            # Without a car the seats are one fewer.
            car = await saga.attempt(book_car, book)
            await saga.step(pay_trip, Book(trip_id=trip.trip_id, seats=2 if car else 1))
            sent = await saga.step(send_tickets, book)
            assert sent.seats > 0
        elif trip.plan in {"at once", "in turn"}:
            await saga.parallel(
                saga.step(book_flight, book),
                saga.step(book_hotel, book),
                undo_at_once=trip.plan == "at once",
            )
            await saga.step(pay_trip, book)
        elif trip.plan == "flight only":
            await saga.step(book_flight, book)
        elif trip.plan == "optional as required":
            await saga.step(book_car, book)
        elif trip.plan == "remembers a refusal after the pivot":
            try:
                await saga.step(book_hotel, book)
            except StepRefused:
                await saga.step(pay_trip, book)
                raise
        elif trip.plan == "raises after the pivot":
            await saga.step(pay_trip, book)
            raise ApplicationError("not foreseen")


pay_outing = Step(
    action=Agency.pay_trip, undo=Undo(Agency.take_payment_back, give_back, policy=BRIEF)
)


@workflow.defn
class OutingSaga(SagaWorkflow[BookTrip]):
    """A trip without a pivot, which may run inside one activity too."""

    kind = SagaKind[BookTrip](name="outing", workflow="OutingSaga")
    steps = (book_flight, book_hotel, book_car, pay_outing)

    @workflow.run
    async def run(self, start: SagaInput[BookTrip]) -> SagaOutcome:
        return await self.execute(start)

    async def flow(self, saga: Saga, trip: BookTrip) -> None:
        book = Book(trip_id=trip.trip_id)
        if trip.plan == "at once":
            await saga.parallel(saga.step(book_flight, book), saga.step(book_hotel, book))
        else:
            await saga.step(book_flight, book)
            await saga.step(book_hotel, book)
        await saga.attempt(book_car, book)
        await saga.step(pay_outing, book)
