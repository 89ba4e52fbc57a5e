"""What came of a matrix: a table for people, JUnit XML for machines."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from rich.table import Table
from rich.text import Text

from saga.testing.bench import Verdict

_OK, _VIOLATED, _LEFT_OUT, _NONE = ("ok", "green"), ("violated", "bold red"), ("-", "dim"), ("", "")


def table(verdicts: Sequence[Verdict]) -> Table:
    """Fault by step: ok, violated, `-` for left out, nothing where a case makes no sense."""
    cases = [verdict.case for verdict in verdicts if verdict.case.step]
    steps = list(dict.fromkeys(case.step for case in cases))
    by_id = {(verdict.case.step, verdict.case.fault): verdict for verdict in verdicts}
    made = Table("fault", *steps, box=None, pad_edge=False)
    for fault in dict.fromkeys(case.fault for case in cases):
        made.add_row(fault, *(_cell(by_id.get((step, fault))) for step in steps))
    return made


def _cell(verdict: Verdict | None) -> Text:
    if verdict is None:
        word, style = _NONE
    elif verdict.left_out:
        word, style = _LEFT_OUT
    else:
        word, style = _OK if verdict.ok else _VIOLATED
    return Text(word, style)


def write_junit(verdicts: Sequence[Verdict], path: Path, *, name: str) -> None:
    """One test case for each case of the matrix."""
    suite = Element(
        "testsuite",
        name=name,
        tests=str(len(verdicts)),
        failures=str(sum(not verdict.ok for verdict in verdicts)),
        skipped=str(sum(verdict.left_out is not None for verdict in verdicts)),
        time=f"{sum(verdict.seconds for verdict in verdicts):.3f}",
    )
    for verdict in verdicts:
        classname = f"{name}.{verdict.case.step}" if verdict.case.step else name
        made = SubElement(
            suite,
            "testcase",
            classname=classname,
            name=verdict.case.fault,
            time=f"{verdict.seconds:.3f}",
        )
        if verdict.left_out:
            SubElement(made, "skipped", message=verdict.left_out)
        if not verdict.ok:
            SubElement(made, "failure", message=verdict.violations[0]).text = str(verdict)
    path.parent.mkdir(parents=True, exist_ok=True)
    indent(suite)
    ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
