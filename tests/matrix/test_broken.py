"""What the matrix says of sagas that are broken as published ones are, and of one that is not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from saga.testing import Subject
from saga.testing.bench import Bench, Verdict, server
from saga.testing.columns import cases
from tests.matrix import broken

pytestmark = pytest.mark.asyncio(loop_scope="session")

STANDS = "the saga has ended and says compensated, but {} still stands"

CAUGHT = [
    (broken.CATCHES_EXCEPTION, "reserve-stock/cancel-between", STANDS.format("charge-payment")),
    (broken.CATCHES_EXCEPTION, "charge-payment/cancel-during-undo", STANDS.format("create-order")),
    (broken.SHIELDS_ONCE, "charge-payment/cancel-during-undo", STANDS.format("create-order")),
    (broken.REGISTERS_AFTER, "reserve-stock/cancel-after-effect", STANDS.format("reserve-stock")),
    (broken.SWALLOWS_UNDO_ERRORS, "charge-payment/undo-outage", STANDS.format("charge-payment")),
    (broken.MAKES_KEYS_AT_RANDOM, "charge-payment/answer-lost", "charge-payment was done 3 times"),
    (
        broken.UNDOES_FORWARDS,
        "charge-payment/undone",
        "cancel-order began before refund-payment had undone the later charge-payment",
    ),
    (
        broken.UNDOES_AT_ONCE,
        "charge-payment/undo-outage",
        "cancel-order began before refund-payment had undone the later charge-payment",
    ),
    (broken.LEAVES_UNDOS_ALONE, "charge-payment/undone", STANDS.format("charge-payment")),
    (
        broken.TRIES_TO_CANCEL,
        "charge-payment/cancel-deaf",
        "refund-payment began while charge-payment was still under way",
    ),
]
"""A broken saga, the case that finds it out, and how its violation begins."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client() -> AsyncIterator[Client]:
    async with server() as client:
        yield client


async def verdict(subject: Subject, case_id: str, client: Client, folder: Path) -> Verdict:
    case = next(case for case in cases(subject) if case.id == case_id)
    async with Bench(subject, client, folder) as bench:
        return await bench.run(case)


@pytest.mark.parametrize(
    ("subject", "case_id", "sentence"),
    CAUGHT,
    ids=[f"{subject.workflow.__name__}-{case_id}" for subject, case_id, _ in CAUGHT],
)
async def test_a_broken_saga_is_found_out(
    subject: Subject, case_id: str, sentence: str, client: Client, tmp_path: Path
) -> None:
    found = await verdict(subject, case_id, client, tmp_path)
    assert any(it.startswith(sentence) for it in found.violations), found


# Not cancel-between: on the bare SDK a cancel and the pivot's answer may come in one moment.
@pytest.mark.long
@pytest.mark.parametrize(
    "case_id", sorted({case_id for _, case_id, _ in CAUGHT if "between" not in case_id})
)
async def test_no_case_blames_a_sound_saga(case_id: str, client: Client, tmp_path: Path) -> None:
    found = await verdict(broken.SOUND, case_id, client, tmp_path)
    assert found.ok, found
