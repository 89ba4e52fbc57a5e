"""The accounts in the event store: opened, changed and rebuilt inside a request's transaction."""

from collections.abc import Callable
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from services.accounts import (
    ACCOUNT_EXISTS,
    ACCOUNT_UNKNOWN,
    EVENTS,
    SHAPE,
    Account,
    AccountEvent,
    Opened,
    Withdrawn,
    event_id,
    evolve,
    fold,
    identity,
)
from services.barrier import Operation
from services.event_store import Conflict, EventStore, NewEvent, StoredEvent
from services.problems import ProblemRaised, ProblemType, Refused

SNAPSHOT_EVERY = 20
"""How many events an account is rebuilt from at most, beside its snapshot."""

_ATTEMPTS = 5
_TOKEN = "acct:"  # noqa: S105 - what a card token begins with that draws on an account


def account_of(card_token: str) -> str | None:
    """Return the id of the account that a card token draws on; None for a card."""
    return card_token.removeprefix(_TOKEN) if card_token.startswith(_TOKEN) else None


async def open_account(
    operation: Operation, account_id: str, customer_id: str, currency: str
) -> Account:
    """Open an account without money; raise `Refused` if there is one of this id."""
    event = Opened(account_id=account_id, customer_id=customer_id, currency=currency)
    try:
        return await append(_store(operation.session), None, event, operation.now)
    except Conflict as error:
        raise Refused(ACCOUNT_EXISTS, f"{account_id} was opened by another request.") from error


async def change(
    operation: Operation,
    account_id: str,
    decide: Callable[[Account], AccountEvent],
    unknown: Exception,
) -> Account:
    """Store what `decide` makes of the account; raise `unknown` if there is none.

    When someone comes between who does not queue, it decides anew. After some attempts it gives up
    with 503: nothing is done then, and nothing stored under the key.
    """
    store = _store(operation.session)
    # The expected version is what keeps money safe. Without the queue, of many requests at once all
    # but one would conflict again and again.
    await store.queue(account_id)
    for _ in range(_ATTEMPTS):
        account = await load(operation.session, account_id)
        if account is None:
            raise unknown
        try:
            return await append(store, account, decide(account), operation.now)
        except Conflict:
            continue
    detail = f"Others kept changing account {account_id}; nothing was done. Ask again."
    raise ProblemRaised(ProblemType.undocumented(503), detail, retry_after_seconds=1)


async def withdraw(
    operation: Operation, account_id: str, payment_id: str, amount_minor: int, currency: str
) -> None:
    """Take a payment from an account, or refuse it."""
    await change(
        operation,
        account_id,
        lambda account: account.withdraw(amount_minor, currency, payment_id),
        Refused(ACCOUNT_UNKNOWN, "The card token names no account of ours."),
    )


async def put_back(operation: Operation, payment_id: str) -> None:
    """Put back what a payment took from an account; nothing, if it was paid by card."""
    store = _store(operation.session)
    stored = await store.find(event_id("withdrawn", payment_id))
    if stored is None:
        return
    taken = event_of(stored)
    assert isinstance(taken, Withdrawn)
    await change(
        operation,
        stored.aggregate_id,
        lambda account: account.put_back(taken),
        LookupError(f"{stored.aggregate_id} has events but was never opened"),
    )


async def load(
    session: AsyncSession, account_id: str, *, from_snapshot: bool = True
) -> Account | None:
    """Rebuild an account from its events; a snapshot only makes it quicker."""
    store = _store(session)
    account = None
    if from_snapshot and (taken := await store.snapshot(account_id, SHAPE)):
        account = Account.model_validate(taken.state)
    rows = await store.read(account_id, after=account.version if account else 0)
    return fold(((event_of(row), row.occurred_at) for row in rows), account)


async def history(
    session: AsyncSession, account_id: str, *, after: int, limit: int
) -> list[StoredEvent]:
    """Return the events of an account after a version."""
    return await _store(session).read(account_id, after=after, limit=limit)


def event_of(row: StoredEvent) -> AccountEvent:
    """Return the event that a row stores."""
    return EVENTS.validate_python({"kind": row.event_type, **row.event_data})


def _store(session: AsyncSession) -> EventStore:
    return EventStore(session, "account")


async def append(
    store: EventStore, account: Account | None, event: AccountEvent, now: datetime
) -> Account:
    """Store an event after the state that it was decided on; raise `Conflict` if that is old."""
    # A request that waited for another's end has the earlier `now`, and the later version.
    at = max(now, account.changed_at) if account else now
    changed = evolve(account, event, at)
    stored = NewEvent(identity(event), event.kind, event.model_dump(mode="json", exclude={"kind"}))
    await store.append(changed.account_id, changed.version - 1, [stored], at)
    if changed.version % SNAPSHOT_EVERY == 0:
        state = changed.model_dump(mode="json")
        await store.take_snapshot(changed.account_id, changed.version, SHAPE, state, at)
    return changed
