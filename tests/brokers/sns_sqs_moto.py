"""moto's server, with two things as SQS documents them of FIFO queues, which moto 5.2 has not.

Its count of the groups under way has messages in it whose time is up: after a consumer's crash it
gives out the last of a group before the first. And it knows no threads: of two requests at once,
both may get a message, or one takes back what the other has just done. So here one request is
answered at a time, and one that waits for messages lets others through.
"""

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import main
from moto.sqs.models import Message, Queue, SQSBackend

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LOOKS_AGAIN_AFTER = 0.02
"""Seconds."""

_turn = threading.Condition()
_answer = DomainDispatcherApplication.__call__
_receive = SQSBackend.receive_message


def _answer_in_turn(
    server: DomainDispatcherApplication,
    environ: "WSGIEnvironment",
    start_response: "StartResponse",
) -> Iterable[bytes]:
    with _turn:
        return list(_answer(server, environ, start_response))


def _receive_in_turn(
    backend: SQSBackend,
    queue_name: str,
    count: int,
    wait_seconds_timeout: int,
    visibility_timeout: int,
    message_attribute_names: list[str] | None = None,
) -> list[Message]:
    deadline = time.monotonic() + wait_seconds_timeout
    while True:
        names = message_attribute_names
        received = _receive(backend, queue_name, count, 0, visibility_timeout, names)
        if received or time.monotonic() >= deadline:
            return received
        _turn.wait(LOOKS_AGAIN_AFTER)


def _groups_under_way(queue: Queue) -> set[str]:
    under_way = (it for it in queue.pending_messages if not it.visible)
    return {it.group_id for it in under_way if it.group_id is not None}


def correct() -> None:
    """Change moto's classes in this process."""
    for owner, name, changed in (
        (Queue, "pending_message_groups", property(_groups_under_way)),
        (DomainDispatcherApplication, "__call__", _answer_in_turn),
        (SQSBackend, "receive_message", _receive_in_turn),
    ):
        setattr(owner, name, changed)


if __name__ == "__main__":
    correct()
    main()
