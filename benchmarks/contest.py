"""Contenders in turns, block by block, so that whatever else the machine does hits all alike."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncpg
from temporalio.client import Client

from benchmarks.contenders.order import SKU
from benchmarks.contenders.serving import Done, Setup, Task
from benchmarks.crowd import MeasurementFailed
from benchmarks.order_history import HistorySize
from benchmarks.stage import (
    Carrier,
    ContenderProcess,
    NotHere,
    Tree,
    other_python,
    own_python,
    postgres_server,
    restate_server,
)
from demo.home import own_home
from demo.participants import Participants
from runtime.connection import connect
from runtime.dev_server import temporal_server
from runtime.embedded import Embedded
from runtime.participants import participant_services
from runtime.record import read_record

_SAMPLED = 1.0
"""Seconds between two looks at the memory."""
STOCK = 1_000_000
REFERENCE = "bare-sdk"
"""Whom ratios are told to."""


@dataclass(frozen=True)
class Contender:
    """Who carries out orders, and how."""

    name: str
    told: str
    """What it is, in a line."""
    module: str
    options: tuple[str, ...] = ()
    servers: frozenset[str] = frozenset({"temporal"})
    """Those that work for it, beside its worker."""
    extra: bool = False
    """Whether it needs the other venv."""

    @property
    def ours(self) -> bool:
        """Whether it is this project."""
        return self.module == "ours"


CONTENDERS = (
    Contender("stepwise", "this project, embedded default", "ours", ("stepwise",)),
    Contender("express", "this project, express lane", "ours", ("express",)),
    Contender(
        "stepwise-postgres",
        "this project, read model on PostgreSQL",
        "ours",
        ("stepwise",),
        frozenset({"temporal", "postgres"}),
    ),
    Contender("bare-sdk", "by hand on the bare Temporal SDK", "bare_sdk"),
    Contender(
        "dbos", "DBOS Transact on PostgreSQL", "dbos_saga", (), frozenset({"postgres"}), True
    ),
    Contender(
        "restate", "Restate, rows in SQLite", "restate_saga", (), frozenset({"restate"}), True
    ),
)


@dataclass(frozen=True)
class Scene:
    """What is asked of every contender."""

    task: Task

    def task_of(self, contender: Contender) -> Task | None:
        """What one contender is asked; None for nothing.

        Only this project can write a row as often as its own pump would. The reference carries out
        the same orders beside it, with a row after every change.
        """
        if contender.ours or self.task.rows != "own":
            return self.task
        return replace(self.task, rows="every") if contender.name == REFERENCE else None

    @property
    def name(self) -> str:
        """What it is called in tables and files."""
        it = self.task
        ending = "completed" if it.completed else "compensated"
        participants = "services" if it.services else "instant"
        return f"{participants} {ending} {it.rows} {it.at_once}"


@dataclass(frozen=True)
class Block:
    """One contender's orders of one round."""

    contender: str
    scene: Scene
    done: Done
    worker_cpu: float
    server_cpu: float
    """Seconds, over the block."""
    memory: float
    """The largest seen, in megabytes, worker and servers together."""
    load: float
    """Of the machine, over the last minute."""


@dataclass(frozen=True)
class Stage:
    """What has been started."""

    processes: Mapping[str, Carrier]
    servers: Mapping[str, Tree]
    client: Client | None
    missing: Mapping[str, str] = field(default_factory=dict)
    """Contenders that can't run here, and why."""


def scenes(orders: int, at_once: Collection[int], *, quick: bool) -> Iterator[Scene]:
    """All that is measured; a lone customer waits so long that a few orders have to do."""
    few = max(orders // 8, 1)
    usual = 50 if 50 in at_once else max(at_once)

    def count_of(crowd: int) -> int:
        return few if crowd == 1 else max(min(orders, crowd * 5), crowd)

    for crowd in at_once:
        yield Scene(Task(count_of(crowd), crowd))
    for rows in ("own", "final"):
        yield Scene(Task(max(orders, usual), usual, rows=rows))
    yield Scene(Task(max(orders, usual), usual, completed=False))
    if quick:
        return
    yield Scene(Task(few, 1, completed=False))
    yield Scene(Task(few, 1, rows="own"))
    for crowd in at_once:
        yield Scene(Task(count_of(crowd), crowd, services=True))
    yield Scene(Task(max(orders, usual), usual, services=True, completed=False))


@asynccontextmanager
async def staged(
    wanted: Sequence[Contender], folder: Path, *, services: bool
) -> AsyncIterator[Stage]:
    """Everything up: one server of a kind, one worker for each contender."""
    missing: dict[str, str] = {}
    servers: dict[str, Tree] = {}
    urls: dict[str, str] = {}
    restate: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        needed = {server for contender in wanted for server in contender.servers}
        refused: dict[str, str] = {}
        settings = stack.enter_context(own_home())
        started = [participant_services(settings)] if services else []
        if "temporal" in needed:
            started.append(temporal_server(settings))
        embedded = await stack.enter_async_context(Embedded(settings, started))
        if services:
            Participants(settings).stock(SKU, STOCK)
        client: Client | None = None
        if "temporal" in needed:
            servers["temporal"] = Tree(read_record(settings).processes["temporal"].pid)
            client = await connect(settings)
        if "postgres" in needed:
            try:
                found = await stack.enter_async_context(postgres_server(folder))
                urls["postgres"], servers["postgres"] = found
            except NotHere as reason:
                refused["postgres"] = str(reason)
        if "restate" in needed:
            try:
                serving = await stack.enter_async_context(restate_server(folder))
                restate, servers["restate"] = serving
            except NotHere as reason:
                refused["restate"] = str(reason)
        processes: dict[str, Carrier] = {}
        for contender in wanted:
            if reasons := [refused[name] for name in contender.servers if name in refused]:
                missing[contender.name] = reasons[0]
                continue
            database = f"{folder / contender.name}.db"
            if "postgres" in contender.servers:
                database = await database_of(urls["postgres"], contender.name)
            elif contender.ours:
                database = f"sqlite:///{database}"
            setup = Setup(
                database=database,
                temporal=embedded.temporal_address,
                queue=contender.name,
                restate=restate,
                services=dict(embedded.service_urls),
            )
            try:
                python = other_python() if contender.extra else own_python()
                processes[contender.name] = await stack.enter_async_context(
                    ContenderProcess.started(
                        contender.name, python, contender.module, setup, folder, *contender.options
                    )
                )
            except (NotHere, MeasurementFailed) as reason:
                missing[contender.name] = str(reason)
        yield Stage(processes, servers, client, missing)


async def database_of(server: str, name: str) -> str:
    """A database for one contender."""
    database = name.replace("-", "_")
    connected = await asyncpg.connect(server)
    await connected.execute(f"CREATE DATABASE {database}")
    await connected.close()
    return server.replace("/postgres?", f"/{database}?")


async def compete(
    stage: Stage,
    contenders: Sequence[Contender],
    wanted: Sequence[Scene],
    rounds: int,
    tell: Callable[[str], None],
    blocks: list[Block],
) -> None:
    """Scene by scene: a few orders to warm up, then rounds in which everyone has a turn.

    Each round is put into `blocks` when it is whole.
    """
    here = [it for it in contenders if it.name in stage.processes]
    for scene in wanted:
        turns = [(it, task) for it in here if (task := scene.task_of(it))]
        tell(scene.name)
        for contender, task in turns:
            warm = replace(task, orders=min(task.orders, task.at_once, 20))
            await stage.processes[contender.name].carry_out(warm)
        for _ in range(rounds):
            blocks += [await run_block(stage, it, scene, task) for it, task in turns]
            # Nobody always comes after the same one.
            turns = turns[1:] + turns[:1]


async def run_block(stage: Stage, contender: Contender, scene: Scene, task: Task) -> Block:
    """One contender's turn."""
    process = stage.processes[contender.name]
    trees = [stage.servers[name] for name in contender.servers]
    peak = 0.0

    async def watch() -> None:
        nonlocal peak
        while True:
            now = await asyncio.to_thread(lambda: sum(it.memory() for it in [process.tree, *trees]))
            peak = max(peak, now)
            await asyncio.sleep(_SAMPLED)

    worker, server = process.tree.cpu(), sum(tree.cpu() for tree in trees)
    watching = asyncio.create_task(watch())
    try:
        done = await process.carry_out(task)
    finally:
        watching.cancel()
        await asyncio.wait([watching])
    return Block(
        contender=contender.name,
        scene=scene,
        done=done,
        worker_cpu=process.tree.cpu() - worker,
        server_cpu=sum(tree.cpu() for tree in trees) - server,
        memory=peak,
        load=os.getloadavg()[0],
    )


async def history_of(client: Client, block: Block) -> HistorySize:
    """The shortest history of a few orders of one block."""
    handles = [client.get_workflow_handle(f"order-{it}") for it in block.done.orders]
    return min([HistorySize.of(await handle.fetch_history()) for handle in handles])
