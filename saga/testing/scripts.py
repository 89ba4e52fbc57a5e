"""What customers and operators do while a case runs; a case's `script` is made of these."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from saga.start import Lane
from saga.state import StepStatus
from saga.testing.cases import WITHIN
from saga.testing.drive import CannotHappen, Drive

CHANCE = 0.3
"""Seconds in which a wrong saga may do what it must not do."""
MANY = 4
"""More attempts than a saga makes that gives up too soon."""

Then = Callable[[Drive, str], Awaitable[None]]


async def outlast(drive: Drive, *, call: str) -> None:
    """Let an outage end after many attempts."""
    await drive.called(call, times=MANY + 1)
    drive.recover(call)


async def mend(drive: Drive, *, call: str) -> None:
    """Wait until the saga is stuck, look whether it is so rightly, and repair it."""
    await drive.stuck()
    await drive.check()
    await drive.repair(call)


async def reset_before(drive: Drive, *, call: str) -> None:
    """Reset the workflow to before this call when it has ended."""
    await drive.reset_before(call)


async def over_time(drive: Drive, *, call: str) -> None:
    """Hold the call for longer than the deadline."""
    await drive.struck(call)
    await asyncio.sleep((WITHIN + timedelta(seconds=CHANCE)).total_seconds())
    drive.recover(call)


async def paused_after(drive: Drive, *, previous: str, call: str, then: Then) -> None:
    """Pause the saga during the step before, and do something when that has ended."""
    await drive.struck(previous)
    await drive.pause()
    if call in drive.ledger.calls(drive.saga_id):
        raise CannotHappen(f"{call} runs beside {previous}")
    drive.recover(previous)
    await drive.stands(
        f"{previous} did not end", lambda state: state.steps[previous] is StepStatus.DONE
    )
    await while_paused(drive, call=call, then=then)


async def while_paused(drive: Drive, *, call: str, then: Then) -> None:
    """Do something, then let the saga go on."""
    if drive.subject.lane is Lane.EXPRESS and call in drive.ledger.calls(drive.saga_id):
        raise CannotHappen(f"{call} was in the lane, which a pause waits for")
    await then(drive, call)
    await drive.resume()


async def cancel(drive: Drive, _: str) -> None:
    """Cancel."""
    await drive.cancel()


async def nothing_is_sent(drive: Drive, call: str) -> None:
    """Look whether the pause is kept."""
    await asyncio.sleep(CHANCE)
    if call in drive.ledger.calls(drive.saga_id):
        drive.complaints.append(f"{call} was called in a pause")


async def pause_while_held(drive: Drive, *, call: str) -> None:
    """Pause while a call is under way, and look whether nothing follows it."""
    await drive.struck(call)
    await drive.pause()
    before = len(drive.ledger.calls(drive.saga_id))
    drive.recover(call)
    await asyncio.sleep(CHANCE)
    if len(drive.ledger.calls(drive.saga_id)) > before:
        drive.complaints.append(f"something was called in a pause that began during {call}")
    await drive.resume()


async def cancel_unanswered(drive: Drive, *, call: str) -> None:
    """Cancel between the attempts of a call."""
    await drive.called(call, times=2)
    await drive.cancel()


async def cancel_after(drive: Drive, *, previous: str) -> None:
    """Cancel as soon as the step before has answered."""
    await drive.struck(previous)
    drive.recover(previous)
    await drive.ended(previous)
    await drive.cancel()


async def cancel_while_held(drive: Drive, *, call: str, goes_on: bool) -> None:
    """Cancel while a call is under way, which may go on all the same."""
    await drive.struck(call)
    answered = await drive.begin_cancel()
    if goes_on:
        await asyncio.sleep(CHANCE)
        drive.recover(call)
    await answered()


async def cancel_by_temporal(drive: Drive, *, call: str) -> None:
    """Cancel by Temporal's own means while a call is under way."""
    await drive.struck(call)
    await drive.cancel_by_temporal()
    await drive.heard_of_it()
    await asyncio.sleep(CHANCE)
    drive.recover(call)


async def cancel_again(drive: Drive, *, call: str, undo: str) -> None:
    """Cancel during an action, and again, by all means, during its undo."""
    await cancel_while_held(drive, call=call, goes_on=True)
    await drive.struck(undo)
    await drive.cancel()
    await drive.cancel_by_temporal()
    await asyncio.sleep(CHANCE)
    drive.recover(undo)
