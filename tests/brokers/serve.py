"""A broker of the tests as a process: `python -m tests.brokers.serve rabbitmq|sns-sqs|kafka`.

It says its URL in one line when it takes connections, and is gone when its stdin ends. Where it is
not installed it says so on stderr, with exit code 3.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.brokers.kafka_server import KafkaServer
from tests.brokers.rabbitmq_server import RabbitServer, installed
from tests.brokers.sns_sqs_server import CREDENTIALS, SnsSqsServer

NOT_INSTALLED = 3


class NotInstalled(Exception):
    """There is no such broker on this machine; `str()` says how to get it."""


@contextmanager
def rabbitmq() -> Iterator[str]:
    if not installed():
        raise NotInstalled("RabbitMQ is not installed: apt-get install rabbitmq-server")
    server = RabbitServer()
    try:
        server.start()
        yield server.url
    finally:
        server.remove()


@contextmanager
def sns_sqs() -> Iterator[str]:
    os.environ.update(CREDENTIALS)
    server = SnsSqsServer()
    try:
        server.start()
        # See SnsSqsServer.url for the waiting.
        yield f"sns+sqs://eu-west-1?endpoint={server.endpoint}&wait=0"
    finally:
        server.stop()


@contextmanager
def kafka() -> Iterator[str]:
    server = KafkaServer()
    try:
        server.start()
        yield f"{server.url}&partitions=8"
    finally:
        server.remove()


SERVERS = {"rabbitmq": rabbitmq, "sns-sqs": sns_sqs, "kafka": kafka}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.brokers.serve")
    parser.add_argument("broker", choices=SERVERS)
    try:
        with SERVERS[parser.parse_args().broker]() as url:
            print(url, flush=True)
            sys.stdin.read()
    except NotInstalled as missing:
        print(missing, file=sys.stderr)
        return NOT_INSTALLED
    return 0


if __name__ == "__main__":
    sys.exit(main())
