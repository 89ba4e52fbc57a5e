"""Resets of a workflow, and where to one can be reset."""

from uuid import uuid4

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHistory


def workflow_tasks(history: WorkflowHistory) -> list[int]:
    """The events that the workflow can be reset to."""
    completed = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    return [event.event_id for event in history.events if event.event_type == completed]


async def reset_run(client: Client, workflow_id: str, *, to: int, run_id: str = "") -> str:
    """Reset a run, or the newest one, to a completed workflow task; the new run's id."""
    reply = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            reason="test",
            workflow_task_finish_event_id=to,
            request_id=str(uuid4()),
        )
    )
    return reply.run_id
