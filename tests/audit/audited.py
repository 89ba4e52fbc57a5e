"""What is audited: real services and sagas, and copies of their databases to tamper with."""

import asyncio
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.commands import PlaceOrder
from tests.cli.here import Here
from tests.integration.commands import Ran
from tests.integration.processes import eventually
from tests.integration.shops import NAMES
from tests.integration.stage import NOWHERE, Stage, an_order


@dataclass(frozen=True)
class Audited:
    """A stage whose books and logs are audited."""

    stage: Stage
    home: Path

    @property
    def settings(self) -> dict[str, str]:
        """The variables that lead the command line here."""
        return {
            "TEMPORAL_ADDRESS": self.stage.client.service_client.config.target_host,
            "READ_DATABASE_URL": self.stage.database_url,
            "SAGA_HOME": str(self.home),
            "SAGA_TASK_QUEUE": self.stage.task_queue,
            **{f"{name.upper()}_SERVICE_URL": "" for name in NAMES},
            **{f"{name.upper()}_DATABASE_URL": "" for name in NAMES},
        }

    async def audit(self, here: Here, *arguments: str, **variables: str) -> Ran:
        """Run the command."""
        return await here.run(self.settings, "audit", *arguments, **variables)

    def tampered(self, folder: Path, service: str, *statements: str) -> dict[str, str]:
        """The variable that leads to a copy of a service's database with some changes."""
        copy = folder / f"{service}.db"
        with closing(sqlite3.connect(self.home / f"{service}.db", timeout=10)) as original:
            original.execute("VACUUM INTO ?", (str(copy),))
        with closing(sqlite3.connect(copy)) as changed:
            for statement in statements:
                assert changed.execute(statement).rowcount > 0, statement
            changed.commit()
        return {f"{service.upper()}_DATABASE_URL": f"sqlite:///{copy}"}


@dataclass(frozen=True)
class Fates:
    """An order of each fate."""

    completed: PlaceOrder
    declined: PlaceOrder
    out_of_stock: PlaceOrder
    undeliverable: PlaceOrder
    cancelled: PlaceOrder

    @classmethod
    async def meet(cls, stage: Stage) -> "Fates":
        """Place one order of each fate, and wait for their ends."""
        rare = await stage.shops.stock(1)
        fates = cls(
            completed=an_order(),
            declined=an_order(card="tok_declined"),
            out_of_stock=an_order(rare, quantity=2),
            undeliverable=an_order(ship_to=NOWHERE),
            cancelled=an_order("PEN", quantity=3, price=320),
        )
        await stage.shops.fault("reserve-stock", latency_ms=400)
        handle = await stage.place(fates.cancelled)
        await eventually(lambda: stage.pending(handle, "reserve-stock"))
        await stage.cancel(handle)
        await stage.shops.heal()
        others = (fates.completed, fates.declined, fates.out_of_stock, fates.undeliverable)
        await asyncio.gather(stage.closed(handle), *(stage.end(order) for order in others))
        return fates


def document(ran: Ran) -> dict[str, Any]:
    """What a command has written as JSON."""
    assert not ran.err, ran.err
    loaded: dict[str, Any] = json.loads(ran.out)
    return loaded


def kinds(ran: Ran) -> set[tuple[str, str | None]]:
    """The kinds of what was found, with the participants."""
    return {(it["kind"], it["participant"]) for it in document(ran)["findings"]}
