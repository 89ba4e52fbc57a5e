"""One run's log: what the history of one run of a saga's workflow says."""

from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from runtime.errors import Unreadable
from saga.envelope import Event, JsonObject, SentCall
from saga.events import CompensationStarted, SagaCompleted
from saga.start import Lane

_SETTLED = {CompensationStarted.__name__, SagaCompleted.__name__}


class BadHistory(Unreadable):
    """What stands in a history is not what a saga writes."""

    def __init__(self, saga_id: str, error: ValidationError) -> None:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        super().__init__(
            f"the history of {saga_id} is none of a saga: {error.title}: {place}: {first['msg']}"
        )


@dataclass
class RunLog:
    """What the history of one run of a saga's workflow says."""

    saga_id: str
    run_id: str = ""
    workflow_type: str = ""
    input: JsonObject = field(default_factory=dict)
    """The workflow's, as JSON."""
    events: tuple[Event[JsonObject], ...] = ()
    """By (epoch, position); none before the first workflow task has ended."""
    calls: list[SentCall] = field(default_factory=list)
    """The commands, in the order in which they were sent."""
    began_at: datetime | None = None
    """When this run began; a reset one, at its reset."""
    closed: bool = False
    settled: bool = False
    """Whether its lane has told of all that any lane of it can have called."""
    runs_before: list[str] = field(default_factory=list)
    """The runs that it was reset from or goes on from."""
    last_task: int = 0
    """The event id of the last workflow task that was completed."""

    @property
    def unsettled(self) -> bool:
        """Whether its lane may have called what no history tells of."""
        return (
            self.input.get("lane") == Lane.EXPRESS
            and not self.settled
            and not any(event.event_type in _SETTLED for event in self.events)
            and not any(call.pivot for call in self.calls)
        )

    @property
    def is_saga(self) -> bool:
        """Whether it tells events, or may come to: other workflows don't start with a command."""
        return bool(self.events) or isinstance(self.input.get("command"), dict)
