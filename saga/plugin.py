"""What client, worker and replayer must agree on, in one Temporal plugin."""

import dataclasses

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultPayloadConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkerConfig, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from typing_extensions import override

from saga.correlation import CorrelationInterceptor
from saga.interceptor import CallInterceptor
from saga.limits import NoTimeouts
from saga.lint import check_worker

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

    def __init__(self) -> None:
        super().__init__(
            "durable-saga",
            data_converter=_pydantic,
            interceptors=[CorrelationInterceptor(), CallInterceptor(), NoTimeouts()],
            workflow_runner=_in_sandbox,
        )

    @override
    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """Refuse to start a worker of an unsafe saga; raises UnsafeSaga."""
        config = super().configure_worker(config)
        check_worker(
            config.get("workflows", ()),
            config.get("activities", ()),
            config.get("workflow_failure_exception_types", ()),
        )
        return config


def _pydantic(given: DataConverter | None) -> DataConverter:
    """Payloads by pydantic; the codec that a client was given, or the replayer, stays."""
    ours = pydantic_data_converter.payload_converter_class
    if given is None:
        return pydantic_data_converter
    if given.payload_converter_class is not DefaultPayloadConverter:
        return given
    return dataclasses.replace(given, payload_converter_class=ours)


def _in_sandbox(runner: WorkflowRunner | None) -> WorkflowRunner:
    if isinstance(runner, SandboxedWorkflowRunner):
        restrictions = runner.restrictions.with_passthrough_modules(*PASSED_THROUGH)
        return dataclasses.replace(runner, restrictions=restrictions)
    if runner is None:
        return SandboxedWorkflowRunner(
            restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
        )
    return runner
