"""Participants of any saga, made of its declared steps: fake activities with the real names.

They hold the barrier of docs/participants.md, write everything into a ledger, and have the faults
that a test tells the ledger of.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NoReturn

from temporalio import activity

from saga.answers import answered, did_not_happen, misconfigured, outage, refused
from saga.envelope import Call, Event
from saga.events import StepStarted
from saga.identity import Direction
from saga.messages import DomainEvent
from saga.pump import Batch, Sink
from saga.steps import AnyActivity, call_type, name_of
from saga.testing.barrier import Barrier, Refusal, read
from saga.testing.faults import FaultKind, Moment
from saga.testing.ledger import Ledger, Struck
from saga.testing.posting import How, Role
from saga.testing.samples import event_type, sample_answer
from saga.testing.subject import Subject

POLL = 0.01
"""Seconds between looks whether a held call may go on."""

_ENDS = {
    FaultKind.OUTAGE: How.OUTAGE,
    FaultKind.LOSE_ANSWER: How.LOST,
    FaultKind.MISCONFIGURED: How.MISCONFIGURED,
    FaultKind.BUG: How.BUG,
}


class _Fails(Exception):
    """How this call ends instead of with its answer."""

    def __init__(self, how: How, error: Exception) -> None:
        super().__init__(str(error))
        self.how = how
        self.error = error


class Participants:
    """All participants of a saga; `mortal` in a worker process that may be killed."""

    def __init__(self, subject: Subject, ledger: Ledger, *, mortal: bool = False) -> None:
        self._subject = subject
        self._ledger = ledger
        self._barrier = Barrier(ledger.store)
        self._mortal = mortal

    def activities(self) -> list[Callable[..., Awaitable[Any]]]:
        """Every action, undo and probe of the saga's steps, for its worker."""
        made: dict[str, Callable[..., Awaitable[Any]]] = {}
        for step in self._subject.steps:
            roles: list[tuple[Role, AnyActivity | None]] = [
                (Role.ACTION, step.action),
                (Role.UNDO, step.undo.activity if step.undo else None),
                (Role.PROBE, step.probe),
            ]
            for role, real in roles:
                if real is not None:
                    made.setdefault(name_of(real), self._fake(role, real, step.has_effect))
        return list(made.values())

    def sink_activity(self, sink: Sink) -> Callable[..., Awaitable[None]]:
        """The activity that keeps what a sink is handed, for the sink's worker."""

        async def fake(batch: Batch) -> None:
            answers = [it for it in batch.events if it.event_type != StepStarted.__name__]
            if answers:
                self._die_if_told(batch.state.saga_id)
            self._ledger.hand_over(batch.state.saga_id, sink.name, batch.model_dump_json())

        return activity.defn(name=_defined_name(sink.activity))(fake)

    def _fake(
        self, role: Role, real: AnyActivity, has_effect: bool
    ) -> Callable[..., Awaitable[Event[Any]]]:
        answer = self._subject.answers.get(name_of(real)) or partial(sample_answer, real)
        event = event_type(real)

        async def fake(call: Call[Any]) -> Event[Any]:
            tell = partial(answer, call.command)
            if role is Role.PROBE:
                return await self._probed(call, event)
            return await self._taken(role, call, event, tell, has_effect)

        # The worker reads types from here, which exist only at run time.
        fake.__annotations__ = {"call": call_type(real), "return": Event[event]}  # type: ignore[valid-type]
        return activity.defn(name=_defined_name(real))(fake)

    async def _taken(
        self,
        role: Role,
        call: Call[Any],
        event: type[DomainEvent],
        tell: Callable[[], DomainEvent],
        has_effect: bool,
    ) -> Event[Any]:
        self._die_if_told(call.saga_id)
        number = self._ledger.begin(call, role, pid=os.getpid())
        end = partial(self._ledger.end, call, role, number)
        try:
            refuse = await self._before(call)
            deliver = partial(
                self._barrier.deliver, call, role, number, tell, has_effect=has_effect
            )
            told = deliver(refuse=refuse)
            await self._during(call, deliver, told)
            self._copy_arrives(role, call, tell)
            self._after(call)
        except Refusal as refusal:
            end(How.REFUSED)
            raise refused(call, refusal.problem_type, f"{call.name} refused") from None
        except _Fails as fails:
            end(fails.how)
            raise fails.error from None
        except asyncio.CancelledError:
            end(How.CANCELLED)
            raise
        end(How.ANSWERED)
        return _stamped(call, event, told)

    async def _probed(self, call: Call[Any], event: type[DomainEvent]) -> Event[Any]:
        self._die_if_told(call.saga_id)
        number = self._ledger.begin(call, Role.PROBE, pid=os.getpid())
        end = partial(self._ledger.end, call, Role.PROBE, number)
        try:
            await self._before(call)
        except _Fails as fails:
            end(fails.how)
            raise fails.error from None
        except asyncio.CancelledError:
            end(How.CANCELLED)
            raise
        told = self._barrier.known(call.key)
        end(How.ANSWERED if told else How.REFUSED)
        if told is None:
            raise did_not_happen(call)
        return _stamped(call, event, told)

    # Faults.

    async def _before(self, call: Call[Any]) -> str | None:
        """What strikes before the effect; the problem type with which it is to be refused."""
        for struck in self._ledger.struck(call.saga_id, call.name, Moment.BEFORE):
            if not self._ledger.take(struck):
                continue
            if struck.fault.kind is FaultKind.REFUSE:
                return f"urn:problem:{call.name}"
            await self._strike(call, struck)
        return None

    async def _during(self, call: Call[Any], deliver: Callable[[], str], told: str) -> None:
        """What strikes between effect and answer."""
        for struck in self._ledger.struck(call.saga_id, call.name, Moment.DURING):
            if not self._ledger.take(struck):
                continue
            if struck.fault.kind is FaultKind.DUPLICATE:
                copies = [asyncio.to_thread(deliver) for _ in range(3)]
                if set(await asyncio.gather(*copies)) != {told}:
                    raise AssertionError(f"{call.key}: a copy got another answer")
            else:
                await self._strike(call, struck)

    def _after(self, call: Call[Any]) -> None:
        """What strikes once the answer is out: a kill, when the next call finds it armed."""
        for struck in self._ledger.struck(call.saga_id, call.name, Moment.AFTER):
            if struck.fault.kind is FaultKind.KILL and self._ledger.take(struck):
                self._ledger.arm(struck)

    def _copy_arrives(self, role: Role, undo: Call[Any], tell: Callable[[], DomainEvent]) -> None:
        """After an undo: the copy of its action that a network has held back all the time."""
        if role is not Role.UNDO:
            return
        for struck in self._ledger.struck(undo.saga_id, undo.step, Moment.AFTER):
            if struck.fault.kind is not FaultKind.LATE or not self._ledger.take(struck):
                continue
            step = next(it for it in self._subject.steps if it.name == undo.step.split("~")[0])
            command = self._barrier.first_command(str(undo.undoes))
            if command is None:
                continue
            copied = call_type(step.action).model_validate_json(
                _as_action(undo, command), strict=False
            )
            number = self._ledger.begin(copied, Role.COPY, pid=os.getpid())
            answer = self._subject.answers.get(step.name) or partial(sample_answer, step.action)
            try:
                self._barrier.deliver(copied, Role.COPY, number, partial(answer, copied.command))
            except Refusal:
                self._ledger.end(copied, Role.COPY, number, How.REFUSED)
            else:
                self._ledger.end(copied, Role.COPY, number, How.ANSWERED)

    async def _strike(self, call: Call[Any], struck: Struck) -> None:
        kind = struck.fault.kind
        if kind is FaultKind.KILL:
            self._die()
        if kind is FaultKind.HOLD:
            await self._hold(struck)
        if how := _ENDS.get(kind):
            raise _Fails(how, _error(kind, call))

    async def _hold(self, struck: Struck) -> None:
        while self._ledger.stands(struck):
            # Cancelled or not is told to an activity in answer to a heartbeat only.
            activity.heartbeat()
            if struck.fault.deaf:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(POLL)
            else:
                await asyncio.sleep(POLL)

    def _die_if_told(self, saga_id: str) -> None:
        if self._ledger.disarm(saga_id):
            self._die()

    def _die(self) -> NoReturn:
        if not self._mortal:
            raise AssertionError("a kill needs a worker process of its own")
        self._ledger.died(os.getpid())
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("killed, and still here")


def _error(kind: FaultKind, call: Call[Any]) -> Exception:
    if kind is FaultKind.MISCONFIGURED:
        return misconfigured(call, f"{call.name} is not understood")
    if kind is FaultKind.BUG:
        return KeyError("nobody foresaw this")
    lost = kind is FaultKind.LOSE_ANSWER
    return outage(f"the answer of {call.name} is lost" if lost else f"{call.name} is away")


def _stamped(call: Call[Any], event: type[DomainEvent], told: str) -> Event[Any]:
    version = 1 if call.direction is Direction.DO else 2
    data, occurred_at = read(told, event)
    return answered(call, data, version=version, occurred_at=occurred_at)


def _as_action(undo: Call[Any], command: str) -> str:
    envelope = undo.model_copy(update={"direction": Direction.DO, "name": undo.step})
    head = envelope.model_dump_json(exclude={"command", "renewals"})
    return f'{head[:-1]},"command":{command}}}'


def _defined_name(real: Callable[..., object]) -> str:
    return str(activity._Definition.must_from_callable(real).name)
