"""Proof that the type checker refuses what a story or a definition gets wrong.

mypy warns of an ignore that ignores nothing, so each line below fails `make check` on the day on
which its mistake is accepted. Nothing here runs; pytest does not collect it.
"""

from typing import assert_type

from saga import Saga, Step, Undo
from tests.saga.trips import Book, Booked, Bookings, Cancel, book_flight, book_hotel


async def a_step_takes_its_own_command_and_gives_its_own_event(saga: Saga) -> None:
    assert_type(await saga.step(book_hotel, Book(booking_id="b")), Booked)
    assert_type(await saga.attempt(book_hotel, Book(booking_id="b")), Booked | None)
    await saga.step(book_hotel, Cancel(booking_id="b"))  # type: ignore[misc]
    await saga.attempt(book_hotel, Cancel(booking_id="b"))  # type: ignore[misc]


def an_undo_is_made_from_the_action_s_command_and_fits_its_activity() -> None:
    def of_another(cancel: Cancel) -> Cancel:
        return cancel

    def the_same_again(book: Book) -> Book:
        return book

    Step(action=Bookings.book_hotel, undo=Undo(Bookings.cancel_hotel, Cancel.undoing))
    takes_another = Undo(Bookings.cancel_hotel, of_another)
    Step[Book, Booked](action=Bookings.book_hotel, undo=takes_another)  # type: ignore[arg-type]
    Undo(Bookings.cancel_hotel, the_same_again)  # type: ignore[misc]


def what_stands_for_an_action_takes_its_command() -> None:
    cancels = Step(action=Bookings.cancel_hotel)
    Step[Book, Booked](action=Bookings.book_hotel, fallback=book_flight)
    Step[Book, Booked](action=Bookings.book_hotel, fallback=cancels)  # type: ignore[arg-type]
    Step[Book, Booked](
        action=Bookings.book_hotel,
        probe=Bookings.cancel_hotel,  # type: ignore[arg-type]
    )
    Step[Book, Booked](
        action=Bookings.book_hotel,
        by_hand=lambda book: book,  # type: ignore[arg-type, return-value]
    )
