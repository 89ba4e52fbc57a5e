"""The host of a saga: where the one orchestrator runs, in a workflow or in the express lane."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

from saga.envelope import Call, Event, JsonObject
from saga.steps import AnyActivity, Policy

RECORD = "SagaEvent"
"""The memo field that a workflow's host records events in."""


class Host(Protocol):
    """What the engine needs of the place that it runs in."""

    @property
    def saga_id(self) -> str:
        """The workflow id."""

    @property
    def run_id(self) -> str:
        """The id of the run that makes the calls."""

    @property
    def started_at(self) -> datetime:
        """When the saga was started."""

    @property
    def settled(self) -> bool:
        """Whether the story may be ended or held: all that was called is known to it."""

    async def until_settled(self) -> None:
        """Wait until it is."""

    def now(self) -> datetime:
        """The time."""

    def story_time(self) -> datetime:
        """The time that a story and its commands go by."""

    def seed(self) -> int:
        """What only a reset changes, at the same place on every replay."""

    async def wait_for(
        self,
        condition: Callable[[], bool],
        *,
        timeout: timedelta | None = None,
        summary: str | None = None,
    ) -> None:
        """Wait until the condition holds; raises TimeoutError after `timeout`."""

    def call(self, activity: AnyActivity, call: Call[Any], policy: Policy) -> asyncio.Task[Any]:
        """Call an activity under a policy.

        The task ends with its event, or raises one of Temporal's failures, a cancel included.
        """

    async def off_the_lane(self, *, plain: bool = False) -> None:
        """Hear that the story comes to something else than a step before the pivot.

        `plain` if that is the pivot, the end or a compensation, as it is in most sagas.
        """

    def record(self, event: Event[JsonObject]) -> None:
        """Keep an event that no activity's answer keeps."""

    def patched(self, change: str) -> bool:
        """Whether the flow goes on as it does since a change."""

    def deprecate_patch(self, change: str) -> None:
        """Know that a change was made here."""


class InWorkflow:
    """A workflow as host: durable, and its history is the log."""

    @property
    def saga_id(self) -> str:
        """The workflow's own id."""
        return workflow.info().workflow_id

    @property
    def run_id(self) -> str:
        """The run that this is; a reset makes another."""
        return workflow.info().run_id

    @property
    def started_at(self) -> datetime:
        """When the client started it."""
        return workflow.info().workflow_start_time

    @property
    def settled(self) -> bool:
        """Always: each call is on record before it is made."""
        return True

    async def until_settled(self) -> None:
        """It is."""

    def now(self) -> datetime:
        """The time of the workflow task, the same on every replay."""
        return workflow.now()

    def story_time(self) -> datetime:
        """The same."""
        return workflow.now()

    def seed(self) -> int:
        """The workflow's random seed."""
        return workflow.random_seed()

    async def wait_for(
        self,
        condition: Callable[[], bool],
        *,
        timeout: timedelta | None = None,
        summary: str | None = None,
    ) -> None:
        """Wait durably."""
        await workflow.wait_condition(condition, timeout=timeout, timeout_summary=summary)

    def call(self, activity: AnyActivity, call: Call[Any], policy: Policy) -> asyncio.Task[Any]:
        """Start an activity; cancelled, it is waited for until it has ended."""
        return workflow.start_activity_method(
            activity,
            call,
            activity_id=call.name,
            start_to_close_timeout=policy.attempt_timeout,
            schedule_to_close_timeout=policy.give_up_after,
            heartbeat_timeout=policy.heartbeat_timeout,
            retry_policy=RetryPolicy(
                initial_interval=policy.first_pause,
                maximum_interval=policy.longest_pause,
                maximum_attempts=policy.max_attempts,
            ),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=call.command.summary(),
        )

    async def off_the_lane(self, *, plain: bool = False) -> None:
        """Nothing: there is no lane."""

    def record(self, event: Event[JsonObject]) -> None:
        """Record it in the memo: the history keeps every change of it."""
        workflow.upsert_memo({RECORD: event})

    def patched(self, change: str) -> bool:
        """Ask the history, which from then on says so."""
        return workflow.patched(change)

    def deprecate_patch(self, change: str) -> None:
        """Replay histories that say so and that don't."""
        workflow.deprecate_patch(change)
