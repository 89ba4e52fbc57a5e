"""A travel agency by hand: what it can be asked, and what it tells."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from temporalio import activity

from saga import (
    Call,
    Command,
    DomainEvent,
    Event,
    answered,
    did_not_happen,
    outage,
    refused,
)

ToldT = TypeVar("ToldT", bound=DomainEvent)


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
