"""The picture of a saga; the README shows the order's as it is."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from saga.__main__ import run
from saga.diagram import diagram
from saga.steps import Undo
from tests.saga.trips import (
    Bookings,
    Cancel,
    TripSaga,
    ask_weather,
    book_flight,
    book_hotel,
    send_tickets,
)

README = Path(__file__).parents[2] / "README.md"

TRIP = """\
flowchart TB
  subgraph steps ["TripSaga: done in this order"]
    direction LR
    do1["ask-weather<br/>optional<br/>only reads"]
    do1 --> do2["book-hotel"]
    do2 -. refused .-> do2_instead["book-hostel"]
    do2 & do2_instead --> do3{{"book-flight<br/>the pivot<br/>if unknown: find-flight"}}
    do3 --> do4["send-tickets<br/>until it is done"]
  end
  steps -- "refused, cancelled or too late" --> undos
  subgraph undos ["undone in reverse"]
    direction RL
    undo3["cancel-flight"]
    undo3 --> undo2["cancel-hotel<br/>or cancel-hostel"]
  end
"""


def test_all_that_a_step_declares_is_in_the_picture() -> None:
    assert diagram(TripSaga) == TRIP


def test_only_what_can_be_undone_is_drawn_as_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    tickets = replace(send_tickets, undo=Undo(Bookings.cancel_hostel, Cancel.undoing))
    monkeypatch.setattr(TripSaga, "steps", (ask_weather, replace(book_flight, undo=None), tickets))
    assert "undo" not in diagram(TripSaga)


def test_an_undo_that_holds_up_no_other_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TripSaga, "steps", (replace(book_hotel, fallback=None),))
    assert 'undo1["cancel-hotel<br/>holds up no other"]' in diagram(TripSaga)


def test_the_readme_shows_the_order_saga_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    [shown] = re.findall(r"^```mermaid\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    assert run(["diagram", "workflows.order"]) == 0
    assert shown == capsys.readouterr().out
