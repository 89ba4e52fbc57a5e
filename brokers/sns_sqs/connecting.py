"""The clients of SNS and SQS, and which of their errors mean what."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aiohttp import ClientError as TransportError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
)

from brokers.port import BrokerUnreachable
from brokers.sns_sqs.layout import Layout
from runtime.errors import SettingsError

if TYPE_CHECKING:  # installed in development only
    from types_aiobotocore_sns.client import SNSClient
    from types_aiobotocore_sqs.client import SQSClient

ANSWERS_WITHIN = 5.0
"""Seconds, of whatever does not wait for messages."""

NO_CREDENTIALS = (
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
AWAY = (BotoCoreError, ClientError, OSError, TransportError)
"""Nobody answers, or refuses; TimeoutError is an OSError."""

MISSING = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NotFound"}
"""Codes that say that a topic or a queue is not there."""


class Clients:
    """Both clients, made when the first one is needed."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._opened: tuple[SNSClient, SQSClient] | None = None

    async def sns(self) -> "SNSClient":
        """The client of SNS; raises one of NO_CREDENTIALS."""
        return (await self._both())[0]

    async def sqs(self) -> "SQSClient":
        """The client of SQS; raises one of NO_CREDENTIALS."""
        return (await self._both())[1]

    async def close(self) -> None:
        """Let go of every connection."""
        async with self._opening:
            self._opened = None
            await self._stack.aclose()

    async def _both(self) -> "tuple[SNSClient, SQSClient]":
        async with self._opening:
            if self._opened is None:
                session = get_session()
                region, endpoint = self._layout.region, self._layout.endpoint
                config = AioConfig(
                    connect_timeout=2,
                    read_timeout=self._layout.wait + ANSWERS_WITHIN,
                    # Each subscription keeps one busy while it waits.
                    max_pool_connections=64,
                    retries={"total_max_attempts": 2, "mode": "standard"},
                )
                sns: SNSClient = await self._stack.enter_async_context(
                    session.create_client(
                        "sns", region_name=region, endpoint_url=endpoint, config=config
                    )
                )
                sqs: SQSClient = await self._stack.enter_async_context(
                    session.create_client(
                        "sqs", region_name=region, endpoint_url=endpoint, config=config
                    )
                )
                self._opened = sns, sqs
            return self._opened


def code_of(error: Exception) -> str | None:
    """The code in a refusal of SNS or SQS."""
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code")
    return None


@asynccontextmanager
async def told_apart(layout: Layout) -> AsyncIterator[None]:
    """Raises SettingsError without credentials, BrokerUnreachable for the rest of AWAY."""
    try:
        yield
    except ParamValidationError:
        raise  # A bug of ours.
    except NO_CREDENTIALS as error:
        told = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        any_will_do = " (an endpoint that checks none takes any)" if layout.endpoint else ""
        raise SettingsError(
            f"sns+sqs:// has no AWS credentials: set {told}{any_will_do}, or AWS_PROFILE ({error})"
        ) from error
    except AWAY as error:
        reason = "no answer" if isinstance(error, TimeoutError) else str(error)
        raise BrokerUnreachable(f"SNS and SQS at {layout.place}: {reason}") from error
