"""Questions and answers over RabbitMQ: a quote from shipping."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import aio_pika
import pytest

from brokers.envelope import CloudEvent
from brokers.request_reply import Asker, Handler, NoAnswer, answer, questions_of


def quote_wanted(order: str) -> CloudEvent:
    return CloudEvent(
        id=str(uuid4()),
        source="orders",
        type="ShippingQuoteWanted",
        subject=order,
        time=datetime.now(UTC),
        correlationid=order,
        partitionkey=order,
        data={"order_id": order},
    )


async def quote(question: CloudEvent) -> CloudEvent:
    return question.model_copy(
        update={
            "id": str(uuid4()),
            "source": "shipping",
            "type": "ShippingQuoted",
            "causationid": question.id,
            "data": {**question.data, "price": "4.90"},
        }
    )


@asynccontextmanager
async def answering(url: str, service: str, handler: Handler) -> AsyncIterator[None]:
    running = asyncio.create_task(answer(url, service, handler))
    async with await aio_pika.connect(url) as connection:
        while not running.done():
            try:
                async with connection.channel() as amqp:
                    _ = await amqp.declare_queue(questions_of(service), passive=True)
                break
            except aio_pika.exceptions.ChannelNotFoundEntity:
                await asyncio.sleep(0.02)
    yield
    running.cancel()
    await asyncio.wait([running])


@pytest.fixture
async def asker(rabbitmq_url: str) -> AsyncIterator[Asker]:
    asker = Asker(rabbitmq_url)
    yield asker
    await asker.close()


@pytest.fixture
def service() -> str:
    return f"shipping-{uuid4().hex[:8]}"


async def test_each_gets_the_answer_to_its_own_question(
    rabbitmq_url: str, asker: Asker, service: str
) -> None:
    other = Asker(rabbitmq_url)
    questions = [quote_wanted(f"order-{number}") for number in range(20)]
    async with answering(rabbitmq_url, service, quote), answering(rabbitmq_url, service, quote):
        answers = await asyncio.gather(
            *(
                (asker, other)[it % 2].ask(service, question)
                for it, question in enumerate(questions)
            )
        )
    assert [it.causationid for it in answers] == [it.id for it in questions]
    assert {it.data["price"] for it in answers} == {"4.90"}
    await other.close()


async def test_a_question_that_nobody_answers_is_told_at_once(asker: Asker, service: str) -> None:
    begun = time.monotonic()
    with pytest.raises(NoAnswer, match="nobody is there"):
        await asker.ask(service, quote_wanted("order-1"), timeout=30)
    assert time.monotonic() - begun < 10


async def test_an_answer_that_comes_too_late_is_not_waited_for(
    rabbitmq_url: str, asker: Asker, service: str
) -> None:
    late = asyncio.Event()

    async def slowly(question: CloudEvent) -> CloudEvent:
        if question.subject == "order-1":
            await late.wait()
        return await quote(question)

    async with answering(rabbitmq_url, service, slowly):
        with pytest.raises(NoAnswer, match=r"has not answered ShippingQuoteWanted in 0\.2 s"):
            await asker.ask(service, quote_wanted("order-1"), timeout=0.2)
        late.set()
        answered = await asker.ask(service, quote_wanted("order-2"))
    assert answered.subject == "order-2"
