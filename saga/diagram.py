"""A saga's definition as a Mermaid flowchart: its steps in order, their undos in reverse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from saga.rules import AnySaga, Part, Placed, in_place
from saga.steps import AnyStep, name_of


def diagram(saga: AnySaga) -> str:
    """The flowchart of a saga, the same for the same definition; it ends with a line break."""
    lines = ["flowchart TB"]
    # Links are between whole subgraphs: one to a node within would turn its direction off.
    lines += _subgraph("steps", f"{saga.__name__}: done in this order", "LR", _steps(saga))
    if undos := list(_undos(saga)):
        lines.append('  steps -- "refused, cancelled or too late" --> undos')
        lines += _subgraph("undos", "undone in reverse", "RL", undos)
    return "\n".join(lines) + "\n"


def _subgraph(name: str, title: str, direction: str, lines: Iterable[str]) -> list[str]:
    inner = [f"    {line}" for line in (f"direction {direction}", *lines)]
    return [f'  subgraph {name} ["{title}"]', *inner, "  end"]


def _steps(saga: AnySaga) -> Iterator[str]:
    """The steps, and links from all that may have been done to the next one."""
    before: list[str] = []
    for number, members in enumerate(_groups(saga), start=1):
        nodes = [f"do{number}" + "_instead" * depth for depth in range(len(members))]
        links = [f"{' & '.join(before)} --> "] if before else [""]
        links += [f"{node} -. refused .-> " for node in nodes[:-1]]
        for link, node, placed in zip(links, nodes, members, strict=True):
            yield f"{link}{node}{_shape(placed)}"
        before = nodes


def _undos(saga: AnySaga) -> Iterator[str]:
    """The undos, the last first; a step's and its fallback's are one, as only one was done."""
    later = ""
    for number, members in reversed(list(enumerate(_groups(saga), start=1))):
        undos = [it.step.undo for it in members if it.step.undo and it.part is not Part.AFTER]
        if not undos:
            continue
        node = f"undo{number}"
        label = "<br/>or ".join(undo.name for undo in undos)
        if not any(undo.holds_up for undo in undos):
            label += "<br/>holds up no other"
        yield f'{later}{node}["{label}"]'
        later = f"{node} --> "


def _groups(saga: AnySaga) -> list[list[Placed]]:
    """The steps, each with its fallbacks."""
    groups: list[list[Placed]] = []
    for placed in in_place(saga.steps):
        if placed.instead_of is None:
            groups.append([])
        groups[-1].append(placed)
    return groups


def _shape(placed: Placed) -> str:
    label = "<br/>".join([placed.step.name, *_marks(placed.step, placed.part)])
    return f'{{{{"{label}"}}}}' if placed.step.pivot else f'["{label}"]'


def _marks(step: AnyStep, part: Part) -> Iterator[str]:
    if step.pivot:
        yield "the pivot"
    if step.optional:
        yield "optional"
    elif part is Part.AFTER:
        yield "until it is done"
    if not step.has_effect:
        yield "only reads"
    if step.probe is not None:
        yield f"if unknown: {name_of(step.probe)}"
