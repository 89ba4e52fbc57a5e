"""The services that react to messages, in one process: `python -m services.consumers`.

Notification and the order copy, each with its own database and HTTP API, and the payment service's
commands by message, on the database of the payment service.
"""

import argparse
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from brokers.draining import running
from brokers.opening import BrokerUnusable, opened
from services import notification, order_copy
from services.application import database_of
from services.notification import notification_consumer
from services.order_copy import order_copy_consumer
from services.payment_commands import payment_consumer, payment_database
from services.server import Listener, run_opened
from services.together import command_line, database_urls, listeners

_PORTS = {"notification": 8005, "order-copy": 8006}


def main() -> int:
    """Serve and consume until SIGTERM or SIGINT; the exit code."""
    options = command_line("services.consumers", __doc__, _PORTS).parse_args()
    return run_opened(lambda: _consuming(options, os.environ.get("EVENT_BROKER_URL", "")))


@asynccontextmanager
async def _consuming(options: argparse.Namespace, url: str) -> AsyncIterator[Sequence[Listener]]:
    if not url or url.startswith("memory:"):
        raise BrokerUnusable("set EVENT_BROKER_URL to a broker that other processes reach")
    urls = database_urls([*_PORTS, "payment"], options)
    apps = {
        "notification": notification.create_app(urls["notification"]),
        "order-copy": order_copy.create_app(urls["order-copy"]),
    }
    notified, copied = (database_of(app) for app in apps.values())
    payment = payment_database(urls["payment"])
    async with AsyncExitStack() as stack:
        for database in (notified, copied, payment):
            await database.open()
            stack.push_async_callback(database.close)
        broker = await stack.enter_async_context(opened(url))
        consumers = [
            notification_consumer(broker, notified),
            order_copy_consumer(broker, copied),
            payment_consumer(broker, payment),
        ]
        await stack.enter_async_context(running(consumers))
        yield listeners(apps, options)


if __name__ == "__main__":
    sys.exit(main())
