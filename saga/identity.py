"""Every id the engine makes comes from one function here."""

import hashlib
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from uuid import NAMESPACE_URL, uuid5

from temporalio.common import Priority

DIGEST = "digest"
"""The memo field with the digest of the command that started the saga."""

_FAIRNESS_KEY_BYTES = 64
"""Temporal refuses to start what has a longer one."""

_NAMESPACE = uuid5(NAMESPACE_URL, "durable-saga")


class Direction(StrEnum):
    """Whether a call does a step or takes it back."""

    DO = "do"
    UNDO = "undo"


def saga_id(saga_type: str, business_id: str) -> str:
    """The workflow id of a saga."""
    return f"{saga_type}-{business_id}"


def fairness_key(customer_id: str) -> str:
    """The key by which customers take turns in a task queue; a digest of an id that is too long."""
    said = customer_id.encode()
    return customer_id if len(said) <= _FAIRNESS_KEY_BYTES else hashlib.sha256(said).hexdigest()


def turn_of(customer_id: str | None) -> Priority:
    """A customer's sagas and their steps wait for each other, and not for another customer's."""
    if customer_id is None:
        return Priority.default
    return Priority(fairness_key=fairness_key(customer_id))


def step_instance(name: str, count: int) -> str:
    """The `count`-th use of a step in one saga: `charge-payment`, then `charge-payment~2`."""
    return name if count == 1 else f"{name}~{count}"


def idempotency_key(saga: str, instance: str, direction: Direction, renewals: int = 0) -> str:
    """The key a participant recognises a call by, the same across retries, replays and resets.

    A person's repair of a refused call renews it: `.../undo`, then `.../undo~2`.
    """
    return f"{saga}/{instance}/{step_instance(direction, renewals + 1)}"


def event_id(saga: str, epoch: int, position: int) -> str:
    """The id of what stands at a place in a saga's log: an event, or the command that was sent."""
    return _event_id(saga, epoch, position)


@lru_cache(maxsize=4096)  # One id is asked for many times: as a cause, in headers, in logs.
def _event_id(saga: str, epoch: int, position: int) -> str:
    return str(uuid5(_NAMESPACE, f"{saga}/{epoch}/{position}"))


def epoch_at(time: datetime) -> int:
    """The epoch of the run that takes up a saga's story at this time: milliseconds since 1970."""
    return int(time.timestamp() * 1000)


def later_epoch(epoch: int, time: datetime) -> int:
    """The epoch of a run that takes the story over, greater than the one before in any case."""
    return max(epoch + 1, epoch_at(time))
