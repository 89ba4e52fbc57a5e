"""Whatever is asked of an account, its balance is the fold of its events and never below zero."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.accounts import (
    Account,
    AccountEvent,
    Deposited,
    Opened,
    Refunded,
    Withdrawn,
    evolve,
    fold,
    identity,
)
from services.problems import Refused

OPENED = Opened(account_id="a", customer_id="c", currency="USD")
START = datetime(2026, 1, 1, tzinfo=UTC)

Command = tuple[str, int, str]
commands = st.lists(
    st.tuples(
        st.sampled_from(["deposit", "withdraw", "put back"]),
        st.integers(min_value=-3, max_value=100),
        st.sampled_from(["USD", "USD", "USD", "EUR"]),
    ),
    max_size=40,
)


@dataclass
class Story:
    """What an account was asked, by the rules of the service; the plain sum is kept beside it."""

    account: Account = field(default_factory=lambda: evolve(None, OPENED, START))
    events: list[tuple[AccountEvent, datetime]] = field(default_factory=lambda: [(OPENED, START)])
    standing: list[Withdrawn] = field(default_factory=list)
    money: int = 0

    def ask(self, number: int, command: Command) -> None:
        what, amount, currency = command
        try:
            event = self.decide(number, what, amount, currency)
        except Refused:
            assert currency != "USD" or (what == "withdraw" and amount > self.money)
            return
        except ValueError:
            assert amount < (what == "deposit")
            return
        if event is not None:
            at = START + timedelta(seconds=number)
            self.account = evolve(self.account, event, at)
            self.events.append((event, at))

    def decide(self, number: int, what: str, amount: int, currency: str) -> AccountEvent | None:
        event: AccountEvent
        if what == "deposit":
            event = self.account.deposit(amount, currency, f"key-{number}")
            self.money += amount
        elif what == "withdraw":
            event = self.account.withdraw(amount, currency, f"payment-{number}")
            self.money -= amount
            self.standing.append(event)
        elif self.standing:
            taken = self.standing.pop(amount % len(self.standing))
            event = self.account.put_back(taken)
            self.money += taken.amount_minor
        else:
            return None
        return event


@settings(max_examples=200, derandomize=True, database=None, deadline=None)
@given(commands, st.integers(min_value=1, max_value=40))
def test_any_sequence_of_commands(asked: list[Command], cut: int) -> None:
    story = Story()
    for number, command in enumerate(asked, 1):
        story.ask(number, command)
        assert story.account.balance_minor == story.money >= 0
    assert story.account.version == len(story.events)
    assert story.account.drawn_minor == sum(it.amount_minor for it in story.standing)
    assert fold(story.events) == story.account
    # A snapshot changes nothing, wherever it was taken, and comes back from JSON as it was.
    before = fold(story.events[:cut])
    assert before is not None
    snapshot = Account.model_validate(before.model_dump(mode="json"))
    assert fold(story.events[cut:], snapshot) == story.account
    assert len({identity(event) for event, _ in story.events}) == len(story.events)


@pytest.mark.parametrize(
    "events",
    [
        [Deposited(amount_minor=1, key="k")],
        [OPENED, OPENED],
        [OPENED, Withdrawn(amount_minor=1, payment_id="p")],
        [
            OPENED,
            Deposited(amount_minor=5, key="k"),
            Withdrawn(amount_minor=2, payment_id="p"),
            Refunded(amount_minor=3, payment_id="p"),
        ],
    ],
    ids=["not-opened", "opened-twice", "below-zero", "more-back-than-taken"],
)
def test_events_that_cannot_have_happened(events: list[AccountEvent]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        fold((event, START) for event in events)


def test_no_more_goes_back_than_payments_have_taken() -> None:
    account = evolve(evolve(None, OPENED, START), Deposited(amount_minor=5, key="k"), START)
    with pytest.raises(ValueError, match="more than payments have taken"):
        account.put_back(Withdrawn(amount_minor=1, payment_id="p"))


def test_an_event_of_a_payment_has_one_id() -> None:
    taken, other = (Withdrawn(amount_minor=amount, payment_id="p") for amount in (1, 2))
    assert identity(taken) == identity(other)
    assert identity(taken) != identity(Refunded(amount_minor=1, payment_id="p"))
