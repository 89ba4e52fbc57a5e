"""The workflow sandbox, without a question that costs more than a saga's own code.

For each payload of a workflow the SDK asks which command it belongs to, four times on its way out
and three times on its way in, and each time enters the sandbox for the answer. Only codecs and
storages that treat one command's payloads otherwise than another's need to know.
"""

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import DataConverter, StorageDriverStoreContext, WithSerializationContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import Info
from typing_extensions import override


def asks_nothing(converter: DataConverter) -> bool:
    """Whether payloads are treated alike, whichever command they belong to."""
    by_command = isinstance(converter.payload_codec, WithSerializationContext)
    return not by_command and converter.external_storage is None


class UnaskedSandbox(SandboxedWorkflowRunner):
    """A sandbox for converters that ask nothing."""

    @override
    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _Unasked(super().create_instance(det))


class _Unasked(WorkflowInstance):
    def __init__(self, inside: WorkflowInstance) -> None:
        self._inside = inside

    @override
    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        return self._inside.activate(act)

    @override
    def get_serialization_context(self, command_info: object) -> None:
        return None

    @override
    def get_external_store_context(self, command_info: object) -> StorageDriverStoreContext:
        return StorageDriverStoreContext(target=None)

    @override
    def get_info(self) -> Info:
        return self._inside.get_info()

    @override
    def get_thread_id(self) -> int | None:
        return self._inside.get_thread_id()
