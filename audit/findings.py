"""What an audit can find; the kinds are stable, as scripts know them."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from audit.entries import Amount, Participant
from audit.saga_log import ByHand, Source


class Kind(StrEnum):
    """The kinds of findings."""

    EFFECT_MISSING = "effect-missing"
    """A completed saga without one of its effects."""
    EFFECT_LEFT = "effect-left"
    """A compensated saga with an effect that was not taken back."""
    EFFECT_TWICE = "effect-twice"
    """Charged, reserved, shipped or ordered twice."""
    WRONG_AMOUNT = "wrong-amount"
    """Another sum, or other pieces, than the command said."""
    REFUND_EXCEEDS_CHARGE = "refund-exceeds-charge"
    SHIPPED_AND_REFUNDED = "shipped-and-refunded"
    SHIPPED_WITHOUT_CHARGE = "shipped-without-charge"
    EFFECT_WITHOUT_SAGA = "effect-without-saga"
    """No saga made it, by any log that there is."""
    EFFECT_NOT_IN_LOG = "effect-not-in-log"
    """A participant has it, and its saga never asked for it."""
    LOG_WITHOUT_EFFECT = "log-without-effect"
    """The log tells it, and the participant doesn't have it."""
    STOCK_MISMATCH = "stock-mismatch"
    ENDED_WITH_EFFECTS = "ended-with-effects"
    """Ended from outside, with effects left."""
    SAGA_LOST = "saga-lost"
    """It had not come to its outcome, and its workflow is gone."""
    STUCK = "stuck"
    MONEY_AT_RISK = "money-at-risk"
    """A saga that goes on, and has kept money for too long."""
    LOG_UNREADABLE = "log-unreadable"


class Standing(StrEnum):
    """How an order stands for the audit."""

    COMPLETED = "completed"
    COMPENSATED = "compensated"
    UNDER_WAY = "under-way"
    STUCK = "stuck"
    TERMINATED = "terminated"
    LOST = "lost"
    """Without a workflow, before its outcome."""
    NO_SAGA = "no-saga"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that must not be so."""

    kind: Kind
    message: str
    """One sentence."""
    next: str
    """What to do about it."""
    order_id: str | None = None
    """None for what is about no single order."""
    participant: Participant | None = None
    amount: Amount | None = None
    """The money that it is about."""
    expected: str | None = None
    found: str | None = None


@dataclass(frozen=True)
class Risk:
    """Money that was charged for an order and neither shipped nor given back."""

    order_id: str
    amount: Amount
    since: datetime
    standing: Standing


@dataclass
class Sums:
    """Money in minor units by currency."""

    charged: Counter[str] = field(default_factory=Counter)
    refunded: Counter[str] = field(default_factory=Counter)
    shipped: Counter[str] = field(default_factory=Counter)
    """The value of the orders that have a shipment."""
    by_hand: Counter[str] = field(default_factory=Counter)
    """Given back by hand, as a repair says; no participant's database knows it."""
    at_risk: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Sums") -> None:
        """Take in other sums."""
        for name, counted in vars(other).items():
            getattr(self, name).update(counted)

    @property
    def currencies(self) -> list[str]:
        """Those that occur, sorted."""
        return sorted(set().union(*vars(self).values()))


@dataclass(frozen=True)
class Case:
    """One order, judged."""

    order_id: str
    standing: Standing
    source: Source | None
    """None when there is no log."""
    findings: tuple[Finding, ...]
    sums: Sums
    risks: tuple[Risk, ...] = ()
    by_hand: tuple[ByHand, ...] = ()


AGES = (
    ("under 1 hour", timedelta(hours=1)),
    ("under 24 hours", timedelta(hours=24)),
    ("under 7 days", timedelta(days=7)),
    ("older", timedelta.max),
)
"""How long money has been at risk, from its charge on."""


def age_of(risk: Risk, now: datetime) -> str:
    """The name of the age that it has."""
    return next(name for name, limit in AGES if now - risk.since < limit)


@dataclass
class Audit:
    """What has been found over all orders."""

    at: datetime
    standings: Counter[Standing] = field(default_factory=Counter)
    sources: Counter[Source] = field(default_factory=Counter)
    looked_again: int = 0
    """How many orders were looked at a second time, as they were in motion or suspicious."""
    moving: int = 0
    """How many of them kept moving; they are under way, and were not judged."""
    sums: Sums = field(default_factory=Sums)
    risks: list[Risk] = field(default_factory=list)
    by_hand: list[ByHand] = field(default_factory=list)
    skus: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether every invariant holds."""
        return not self.findings

    def add(self, case: Case) -> None:
        """Take in one order."""
        self.standings[case.standing] += 1
        if case.source is not None:
            self.sources[case.source] += 1
        self.sums.add(case.sums)
        self.risks += case.risks
        self.by_hand += case.by_hand
        self.findings += case.findings
