"""What client, worker and replayer must agree on, in one Temporal plugin."""

import dataclasses
from collections.abc import Sequence

from temporalio.converter import DataConverter, DefaultPayloadConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkerConfig, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from typing_extensions import override

from runtime.converter import shared_pydantic_converter
from saga.correlation import CorrelationInterceptor
from saga.express import ExpressLane
from saga.interceptor import CallInterceptor
from saga.limits import NoTimeouts
from saga.lint import check_worker
from saga.sandbox import UnaskedSandbox, asks_nothing
from saga.workflow import SagaWorkflow

PASSED_THROUGH = (
    "saga",
    "contracts",
    "activities",
    "brokers",
    "runtime",
    "opentelemetry",
    "pydantic",
    "pydantic_core",
)
"""What the workflow sandbox shares with the worker: loaded once, deterministic by design."""


class SagaPlugin(SimplePlugin):
    """Give it to the client (its workers inherit it) and to `Replayer(plugins=...)`.

    A worker of an unsafe saga does not start; see `saga.lint`.
    """

    def __init__(self, passed_through: Sequence[str] = ()) -> None:
        """`passed_through`: modules with sagas that the sandbox need not load anew for each saga.

        It then does not see what in them is not deterministic, so their tests run without this.
        """
        modules = (*PASSED_THROUGH, *passed_through)

        def in_sandbox(runner: WorkflowRunner | None) -> WorkflowRunner:
            if runner is None:
                runner = SandboxedWorkflowRunner()
            if isinstance(runner, SandboxedWorkflowRunner):
                restrictions = runner.restrictions.with_passthrough_modules(*modules)
                return dataclasses.replace(runner, restrictions=restrictions)
            return runner

        super().__init__(
            "durable-saga",
            data_converter=_pydantic,
            interceptors=[CorrelationInterceptor(), CallInterceptor(), NoTimeouts()],
            workflow_runner=in_sandbox,
        )

    @override
    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """Refuse to start a worker of an unsafe saga, raising UnsafeSaga; add the express lane."""
        config = super().configure_worker(config)
        check_worker(
            config.get("workflows", ()),
            config.get("activities", ()),
            config.get("workflow_failure_exception_types", ()),
        )
        sagas = [it for it in config.get("workflows", ()) if issubclass(it, SagaWorkflow)]
        if sagas:
            given = list(config.get("activities", ()))
            lane = ExpressLane(sagas, given)
            config["activities"] = [*given, *lane.activities()]
        runner, client = config.get("workflow_runner"), config.get("client")
        if (
            type(runner) is SandboxedWorkflowRunner
            and client
            and asks_nothing(client.data_converter)
        ):
            config["workflow_runner"] = UnaskedSandbox(runner.restrictions, runner.runner_class)
        return config


def _pydantic(given: DataConverter | None) -> DataConverter:
    """Payloads by pydantic; the codec that a client was given, or the replayer, stays."""
    ours = shared_pydantic_converter.payload_converter_class
    if given is None:
        return shared_pydantic_converter
    if given.payload_converter_class is not DefaultPayloadConverter:
        return given
    return dataclasses.replace(given, payload_converter_class=ours)
