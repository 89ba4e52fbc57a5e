"""Blocks of orders by workers that differ in one thing, in turns, and how they compare."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.contenders.serving import Done, Task
from benchmarks.contest import Block, Contender, Scene, Stage, compete
from benchmarks.grown import WITHIN, Grown
from benchmarks.stage import Carrier, ContenderProcess, Tree
from benchmarks.tally import Line, Tally


@dataclass(frozen=True)
class Trees:
    """What several processes use together."""

    members: Sequence[Tree]

    def cpu(self) -> float:
        """The CPU seconds used so far."""
        return sum(it.cpu() for it in self.members)

    def memory(self) -> float:
        """The resident megabytes; what they share is counted more than once."""
        return sum(it.memory() for it in self.members)


@dataclass(frozen=True)
class Team:
    """Workers of one task queue, who share each block."""

    members: Sequence[ContenderProcess]

    @property
    def tree(self) -> Trees:
        """All of them."""
        return Trees([it.tree for it in self.members])

    async def carry_out(self, task: Task) -> Done:
        """Have each member's customers place their share; raises MeasurementFailed."""
        size = len(self.members)
        shares = [
            replace(
                task, orders=_share(task.orders, size, it), at_once=_share(task.at_once, size, it)
            )
            for it in range(size)
        ]
        both = zip(self.members, shares, strict=True)
        done = await asyncio.gather(*(member.carry_out(share) for member, share in both))
        return Done(
            seconds=max(it.seconds for it in done),
            times=[time for it in done for time in it.times],
            orders=[order for it in done for order in it.orders],
        )


def _share(whole: int, size: int, number: int) -> int:
    return max((whole + number) // size, 1)


@dataclass(frozen=True)
class Side:
    """Who carries out blocks, and the server behind."""

    name: str
    carrier: Carrier
    server: Tree


async def turns(sides: Sequence[Side], task: Task, rounds: int) -> Mapping[str, list[Block]]:
    """Rounds of blocks, one for each side; the blocks of each side."""
    scene = Scene(replace(task, rows="own"))
    contenders = [Contender(it.name, "", "ours", servers=frozenset({it.name})) for it in sides]
    stage = Stage({it.name: it.carrier for it in sides}, {it.name: it.server for it in sides}, None)
    blocks: list[Block] = []
    await compete(stage, contenders, [scene], rounds, lambda _: None, blocks)
    return {side.name: [it for it in blocks if it.contender == side.name] for side in sides}


def compared(
    part: str, what: str, small: Sequence[Block], grown: Sequence[Block], *, judged: bool
) -> list[Grown]:
    """Throughput, tail and CPU of the grown side beside the small one, round by round."""
    one, other = _line(small), _line(grown)
    bound = (
        f"busy cores: worker {other.worker_busy:.2f}, server {other.server_busy:.2f};"
        f" small: {one.worker_busy:.2f}, {one.server_busy:.2f}"
    )
    rates = [a / b for a, b in zip(other.rounds, one.rounds, strict=True)]
    cpu = [_cpu(b) / _cpu(a) for a, b in zip(small, grown, strict=True)]
    few, many = (1000 * sum(map(_cpu, it)) / len(it) for it in (small, grown))
    least, most = (1 - WITHIN, 1 + WITHIN) if judged else (None, None)
    throughput = Grown(
        part,
        f"throughput, {what}",
        "orders/s",
        one.sagas_per_second,
        other.sagas_per_second,
        tuple(rates),
        limit=least,
        at_least=True,
        bound=bound,
    )
    tail = (other.p99_ms / one.p99_ms,)
    parts = f"worker {other.worker_cpu_ms:.0f} and server {other.server_cpu_ms:.0f} ms"
    return [
        throughput,
        Grown(part, f"  p99, {what}", "ms", one.p99_ms, other.p99_ms, tail, limit=most),
        Grown(part, f"  CPU of an order, {what}", "ms", few, many, tuple(cpu), bound=parts),
    ]


def _line(blocks: Sequence[Block]) -> Line:
    [line] = Tally.of(blocks, {}).lines.values()
    return line


def _cpu(block: Block) -> float:
    return (block.worker_cpu + block.server_cpu) / len(block.done.times)
