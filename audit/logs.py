"""The logs of all order sagas: their histories, or the table of events where those are gone."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from pydantic import ValidationError
from temporalio.client import Client

from audit.saga_log import SagaLog, Source, understood, unreadable
from contracts.sagas import ORDER
from read_model.event_store import EventStore
from runtime.errors import Unreadable
from saga.history import read_saga
from saga.identity import saga_id
from saga.state import AnyEvent, told_last

_AT_ONCE = 30
"""Histories; more are read no faster."""
_PREFIX = saga_id(ORDER.name, "")


class Logs:
    """Where the logs are.

    Reading raises RPCError when Temporal doesn't answer, ServerUnreachable when the read database
    doesn't.
    """

    def __init__(
        self, client: Client, store: EventStore, listed: Mapping[str, Sequence[str]]
    ) -> None:
        self._client = client
        self._store = store
        self._listed = listed
        """The ids of the runs that Temporal lists, by order."""
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def order_ids(self) -> list[str]:
        """The orders that have a log anywhere, in code-point order."""
        stored: list[str] = []
        last = ""
        while some := await self._store.saga_ids(after=last):
            last = some[-1]
            stored += (it.removeprefix(_PREFIX) for it in some if it.startswith(_PREFIX))
        return sorted({*self._listed, *stored})

    async def read(self, order_ids: Sequence[str], *, anew: bool = False) -> dict[str, SagaLog]:
        """What is known of these sagas; `anew` asks Temporal for all, listed or not."""
        found: dict[str, SagaLog] = {}
        if not anew:
            # What Temporal doesn't list any more has had its outcome, nearly always.
            stored = await self._stored([it for it in order_ids if it not in self._listed])
            found = {it: log for it, log in stored.items() if log.unreadable or log.status.final}
        rest = [it for it in order_ids if it not in found]
        histories = await asyncio.gather(*(self._history(it) for it in rest))
        found |= {log.order_id: log for log in histories if log is not None}
        return found | await self._stored([it for it in rest if it not in found])

    async def _history(self, order_id: str) -> SagaLog | None:
        workflow_id = saga_id(ORDER.name, order_id)
        async with self._gate:
            try:
                history = await read_saga(self._client, workflow_id, self._listed.get(order_id, ()))
            except (ValidationError, Unreadable) as error:
                return unreadable(order_id, Source.HISTORY, error)
        if history is None or (history.closed and not history.events):
            return None
        log = _log(order_id, Source.HISTORY, history.events, history.all_events)
        sinks = history.runs[-1].input.get("sinks")
        named = tuple(str(it) for it in sinks) if isinstance(sinks, list) else ()
        return log and replace(log, sinks=named, closed=history.closed)

    async def _stored(self, order_ids: Sequence[str]) -> dict[str, SagaLog]:
        if not order_ids:
            return {}
        wanted = {saga_id(ORDER.name, it): it for it in order_ids}
        try:
            found = await self._store.events_of_all(list(wanted))
        except (ValidationError, Unreadable) as error:
            if len(order_ids) == 1:
                return {order_ids[0]: unreadable(order_ids[0], Source.EVENTS, error)}
            # One of them; the others can be read.
            singly = [await self._stored([it]) for it in order_ids]
            return {it: log for some in singly for it, log in some.items()}
        logs = (_stored_log(wanted[it], events) for it, events in found.items())
        return {log.order_id: log for log in logs if log is not None}


def _stored_log(order_id: str, events: Sequence[AnyEvent]) -> SagaLog | None:
    try:
        last = told_last(events)
    except ValueError as error:
        return unreadable(order_id, Source.EVENTS, error)
    return _log(order_id, Source.EVENTS, last, events)


def _log(
    order_id: str, source: Source, events: Iterable[AnyEvent], every: Iterable[AnyEvent]
) -> SagaLog | None:
    told = tuple(events)
    ids = {event.event_id for event in told}
    abandoned = tuple(event for event in every if event.event_id not in ids)
    return understood(SagaLog(order_id, saga_id(ORDER.name, order_id), source, told, abandoned))
