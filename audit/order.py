"""One order under audit: its log and what is kept for it, and what follows from the two."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from audit.entries import Amount, Entry, Kept, Participant, PaymentEntry
from audit.findings import Risk, Standing, Sums
from audit.saga_log import ByHand, SagaLog, Source
from contracts.sagas import ORDER
from saga.events import Status
from saga.identity import Direction, saga_id

_STANDINGS = {
    Status.COMPLETED: Standing.COMPLETED,
    Status.COMPENSATED: Standing.COMPENSATED,
    Status.STUCK: Standing.STUCK,
    Status.TERMINATED: Standing.TERMINATED,
}


@dataclass(frozen=True)
class Order:
    """An order, its saga's log if there is one, and what the participants keep for it."""

    id: str
    log: SagaLog | None
    kept: Kept

    @property
    def saga_id(self) -> str:
        """The workflow id of its saga, whether there is one or not."""
        return saga_id(ORDER.name, self.id)

    @cached_property
    def standing(self) -> Standing:
        """How it stands for the audit."""
        if self.log is None:
            return Standing.NO_SAGA
        if self.log.unreadable is not None:
            return Standing.UNREADABLE
        if self.log.source is Source.EVENTS and not self.log.status.final:
            return Standing.LOST
        return _STANDINGS.get(self.log.status, Standing.UNDER_WAY)

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """What there ever was: all but the void ones."""
        return tuple(it for it in self.kept if not it.void)

    @cached_property
    def mine(self) -> tuple[Entry, ...]:
        """What its own saga has made."""
        return tuple(it for it in self.entries if it.made_by.startswith(f"{self.saga_id}/"))

    @property
    def foreign(self) -> tuple[Entry, ...]:
        """What is kept for this order and was made by someone else."""
        return tuple(it for it in self.entries if it not in self.mine)

    def standing_of(self, participant: Participant) -> list[Entry]:
        """The effects of its saga at a participant that are there."""
        return [it for it in self.mine if it.participant is participant and it.stands]

    @property
    def shipped(self) -> bool:
        """Whether its saga's shipment stands."""
        shipments = self.standing_of(Participant.SHIPPING)
        return any(not self.undone_by_hand(it) for it in shipments)

    @property
    def total(self) -> Amount | None:
        """What its command says that it costs."""
        if self.log is None or self.log.command is None:
            return None
        return Amount(self.log.command.total.minor, self.log.command.currency)

    def step_of(self, entry: Entry) -> str:
        """The step instance that made one of its saga's entries."""
        return entry.made_by.removeprefix(f"{self.saga_id}/").rpartition("/")[0]

    def undone_by_hand(self, entry: Entry) -> ByHand | None:
        """Who has taken an entry back that still stands at its participant, if anybody."""
        if self.log is None:
            return None
        return self.log.by_hand.get((self.step_of(entry), Direction.UNDO))

    def sums(self) -> Sums:
        """What it adds to the sums of all orders."""
        sums = Sums()
        for payment in self._payments:
            sums.charged[payment.currency] += payment.amount_minor
            sums.refunded[payment.currency] += payment.refunded_minor
            if payment.stands and self.undone_by_hand(payment):
                sums.by_hand[payment.currency] += payment.kept.minor
        if self.shipped and (value := self._value) is not None:
            sums.shipped[value.currency] += value.minor
        for risk in self.risks:
            sums.at_risk[risk.amount.currency] += risk.amount.minor
        return sums

    @cached_property
    def risks(self) -> tuple[Risk, ...]:
        """The money that was charged for it and neither shipped for nor given back."""
        return tuple(self._risks())

    @property
    def at_risk(self) -> str:
        """What is at risk, as a person reads it; empty when nothing is."""
        return ", ".join(str(it.amount) for it in self.risks)

    def _risks(self) -> Iterator[Risk]:
        paid_for = self._value if self.shipped else None
        for payment in sorted(self._payments, key=lambda it: it.created_at):
            kept = payment.kept
            if kept.minor <= 0 or self.undone_by_hand(payment):
                continue
            if payment in self.mine and paid_for and paid_for.currency == kept.currency:
                covered = min(kept.minor, paid_for.minor)
                kept = kept._replace(minor=kept.minor - covered)
                paid_for = paid_for._replace(minor=paid_for.minor - covered)
            if kept.minor > 0:
                yield Risk(self.id, kept, payment.created_at, self.standing)

    @property
    def _payments(self) -> list[PaymentEntry]:
        return [it for it in self.kept.payments if not it.void]

    @property
    def _value(self) -> Amount | None:
        """What it is worth: by its command, or else by its entry."""
        if self.total is not None:
            return self.total
        return next((it.total for it in self.kept.orders if not it.void), None)
