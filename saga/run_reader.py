"""Reads one run's log from its history, without the workflow's code.

An activity's answer stands in its result or in its failure's details, what the engine recorded in
the memo, and the command that started the saga in the workflow's input. All of it is decoded at
once by the client's data converter, codecs included.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from enum import Enum, auto

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import JsonValue, TypeAdapter, ValidationError
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter, decode_typed_search_attributes

from runtime.codec import decoding
from runtime.search_attributes import SagaType
from saga.envelope import Event, JsonObject, SentCall
from saga.events import SagaStarted, SagaTerminated
from saga.host import RECORD
from saga.identity import epoch_at
from saga.log import sent
from saga.run_log import BadHistory, RunLog
from saga.start import Recovery
from saga.untold import CLOSING, ended_from_outside, reset_at, started, terminated

_RESET = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
_LOCAL_ACTIVITY = "core_local_activity"
_EVENT = TypeAdapter(Event[JsonObject])


async def read_run(
    converter: DataConverter, saga_id: str, history: AsyncIterable[HistoryEvent]
) -> RunLog:
    """Read the whole history of one run."""
    reader = _RunReader(saga_id)
    clues = [clue async for event in history for clue in reader.take(event)]
    await reader.understand(converter, clues)
    return reader.log()


async def follow_run(
    converter: DataConverter, saga_id: str, history: AsyncIterable[HistoryEvent]
) -> AsyncIterator[tuple[RunLog, Sequence[Event[JsonObject]]]]:
    """Read a history that may still grow; yields at first, and whenever there is something new.

    The log's own `events` are complete at its end; what is new comes with it.
    """
    reader, first = _RunReader(saga_id), True
    async for event in history:
        await reader.understand(converter, list(reader.take(event)))
        closed = event.event_type in CLOSING
        if (news := reader.news()) or first or closed:
            yield reader.log() if closed else reader.known, news
        first = False


class _Clue(Enum):
    """What a payload is."""

    INPUT = auto()
    TASK = auto()
    """An activity's input: a call, or something else's."""
    ANSWER = auto()
    RECORD = auto()


class _RunReader:
    """Takes in a run's history, event by event."""

    def __init__(self, saga_id: str) -> None:
        self.known = RunLog(saga_id)
        self._events: dict[str, Event[JsonObject]] = {}
        self._news: list[Event[JsonObject]] = []
        self._saga_type = ""
        self._queue = ""
        self._started_at = self._task_at = datetime.fromtimestamp(0, UTC)
        self._reset_at: datetime | None = None
        self._epoch: int | None = None
        self._begun = False
        """Whether the beginning is told, in full."""
        self._ended: tuple[datetime, SagaTerminated] | None = None

    def take(self, event: HistoryEvent) -> Iterator[tuple[_Clue, Payload]]:
        """Take in what needs no decoding; yields what does."""
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
                started = event.workflow_execution_started_event_attributes
                self._started_at = self.known.began_at = _time(event.event_time)
                self.known.workflow_type = started.workflow_type.name
                self._queue = started.task_queue.name
                self.known.run_id = started.original_execution_run_id
                self._take_type(
                    decode_typed_search_attributes(started.search_attributes).get(SagaType)
                )
                if started.continued_execution_run_id:
                    self.known.runs_before.append(started.continued_execution_run_id)
                yield from _clues(_Clue.INPUT, started.input)
            case EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
                upserted = event.upsert_workflow_search_attributes_event_attributes
                self._take_type(
                    decode_typed_search_attributes(upserted.search_attributes).get(SagaType)
                )
            case EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
                self._task_at = _task_time(event.event_time)
            case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                self.known.last_task = event.event_id
                if self._epoch is None:
                    self._epoch = epoch_at(self._task_at)
            case EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                failed = event.workflow_task_failed_event_attributes
                if failed.cause == _RESET:
                    self.known.runs_before.append(failed.base_run_id)
                    self.known.run_id = failed.new_run_id
                    self._reset_at = self.known.began_at = _time(event.event_time)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                scheduled = event.activity_task_scheduled_event_attributes
                # Steps are called on the saga's own queue; sinks have others.
                if scheduled.task_queue.name == self._queue:
                    yield from _clues(_Clue.TASK, scheduled.input)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                completed = event.activity_task_completed_event_attributes
                yield from _clues(_Clue.ANSWER, completed.result)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                yield from _details(event.activity_task_failed_event_attributes.failure)
            case EventType.EVENT_TYPE_MARKER_RECORDED:
                marker = event.marker_recorded_event_attributes
                if marker.marker_name == _LOCAL_ACTIVITY:
                    yield from _clues(_Clue.ANSWER, marker.details["result"])
                    yield from _details(marker.failure)
            case EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED:
                memo = event.workflow_properties_modified_event_attributes.upserted_memo
                if RECORD in memo.fields:
                    yield _Clue.RECORD, memo.fields[RECORD]
            case _ if event.event_type in CLOSING:
                self.known.closed = True
                if (ended := ended_from_outside(self.known.saga_id, event)) is not None:
                    self._ended = _time(event.event_time), ended

    def _take_type(self, saga_type: str | None) -> None:
        self._saga_type = saga_type or self._saga_type

    async def understand(
        self, converter: DataConverter, clues: Sequence[tuple[_Clue, Payload]]
    ) -> None:
        """Decode at once what `take` has yielded, and take it in."""
        with decoding(self.known.saga_id):
            contents = await converter.decode([payload for _, payload in clues]) if clues else []
        try:
            for (clue, _), content in zip(clues, contents, strict=True):
                self._understand(clue, content)
        except ValidationError as error:
            raise BadHistory(self.known.saga_id, error) from error

    def _understand(self, clue: _Clue, content: JsonValue) -> None:
        if not isinstance(content, dict):
            return
        if clue is _Clue.INPUT:
            self.known.input = content
            if content.get("recovery") is not None:
                recovery = Recovery.model_validate(content["recovery"])
                self._started_at = recovery.started_at
                self.known.runs_before.append(recovery.run_id)
        elif clue is _Clue.TASK:
            if self._is_ours(content) and "command_type" in content:
                call = SentCall.model_validate(content)
                self.known.calls.append(call)
                self._add(sent(call))
        else:
            self._answered(content)

    def _answered(self, content: JsonObject) -> None:
        if self._is_ours(content) and "event_type" in content:
            event = _EVENT.validate_python(content)
            if event.event_type == SagaStarted.__name__:
                self._begin(event)
            else:
                self._add(event)
        elif isinstance(made := content.get("made"), list):
            # Of the express lane: what it did, and whether a lane can have done more.
            self.known.settled |= content.get("settled") is True
            if isinstance(epoch := content.get("epoch"), int):
                self._epoch = epoch
            for one in made:
                if isinstance(one, dict):
                    self._made(one)

    def _made(self, content: JsonObject) -> None:
        """Take in what a local activity has called, with its answer."""
        call, answer = content.get("call"), content.get("answer")
        if isinstance(call, dict) and isinstance(answer, dict):
            self._understand(_Clue.TASK, call)
            self._answered(answer)

    def _begin(self, recorded: Event[JsonObject]) -> None:
        """Take in a beginning that was recorded, in place of what the input tells of it."""
        self._events = {
            it.event_id: it for it in self._events.values() if it.event_type != recorded.event_type
        }
        self._add(recorded)
        self._begun = True

    def _is_ours(self, content: JsonObject) -> bool:
        return content.get("saga_id") == self.known.saga_id and "position" in content

    def _add(self, event: Event[JsonObject]) -> None:
        if event.event_id not in self._events:
            self._news.append(event)
        self._events[event.event_id] = event

    def log(self) -> RunLog:
        """What is known so far."""
        self._complete()
        events = self._events.values()
        self.known.events = tuple(sorted(events, key=lambda it: (it.epoch, it.position)))
        return self.known

    def news(self) -> Sequence[Event[JsonObject]]:
        """The events since the last time, as they came."""
        # The first task tells the type, if the start did not, before it does anything else.
        if self._saga_type or self.known.closed:
            self._complete()
        news, self._news = self._news, []
        return news

    def _complete(self) -> None:
        """Add the events that no payload holds as they are."""
        begun = self._epoch is not None or self._ended is not None
        if begun and not self._begun and {"headline", "command_type"} <= self.known.input.keys():
            # One that was ended before its first task never had an epoch.
            epoch = (
                epoch_at(self.known.began_at or self._started_at)
                if self._epoch is None
                else self._epoch
            )
            try:
                begun_by = started(
                    self.known.saga_id, self.known.input, self._saga_type, self._started_at, epoch
                )
            except ValidationError as error:
                raise BadHistory(self.known.saga_id, error) from error
            self._add(begun_by)
            self._begun = bool(self._saga_type)
        if self._ended is not None and self._events:
            noticed = max(event.epoch for event in self._events.values())
            if self._epoch is not None and self._reset_at and noticed < epoch_at(self._reset_at):
                self._add(reset_at(self._reset_at, self._events.values()))
            self._add(terminated(*self._ended, self._events.values()))
            self._ended = None


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)


def _task_time(stamp: Timestamp) -> datetime:
    # As the SDK makes `workflow.now()`, which rounds where the other cuts off.
    return datetime.fromtimestamp(stamp.ToNanoseconds() / 1e9, UTC)


def _clues(clue: _Clue, payloads: Payloads) -> Iterator[tuple[_Clue, Payload]]:
    yield from ((clue, payload) for payload in payloads.payloads[:1])


def _details(failure: Failure) -> Iterator[tuple[_Clue, Payload]]:
    if failure.HasField("application_failure_info"):
        yield from _clues(_Clue.ANSWER, failure.application_failure_info.details)
