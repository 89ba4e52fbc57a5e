"""`python -m saga`: what it prints, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from saga.__main__ import run

ROOT = Path(__file__).parents[2]


def test_findings_are_lines_and_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "workflows.order", "tests.saga.unsafe_trips:HotelStays"]) == 1
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("tests.saga.unsafe_trips:HotelStays book-hotel: has an effect before")
    assert line.endswith("[undo-missing]")


def test_without_findings_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "workflows.order", "tests.saga.trips:TripSaga"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_document_has_all_that_was_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    targets = ["workflows.order", "tests.saga.unsafe_trips", "tests.saga.unsafe_trips:HotelStays"]
    assert run(["lint", *targets, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    unsafe = ["HotelStays", "FailsOnBug", "Undecorated"]
    assert document["sagas"] == [
        "workflows.order:OrderSaga",
        *(f"tests.saga.unsafe_trips:{name}" for name in unsafe),
    ]
    assert [list(it) for it in document["findings"]] == [["rule", "saga", "step", "message"]] * 3
    first = document["findings"][0]
    assert (first["rule"], first["step"]) == ("undo-missing", "book-hotel")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["lint", "nowhere.trip"], "there is no module nowhere: "),
        (["lint", "workflows.trip"], "there is no module workflows.trip: "),
        (["lint", "workflows/order.py"], "'workflows/order.py' is no module: give its dotted name"),
        (["lint", "contracts.money"], "contracts.money defines no saga: name the module of"),
        (["lint", "workflows.order:Trip"], "has no saga 'Trip': it defines OrderSaga"),
        (["lint", "workflows.order:SagaWorkflow"], "has no saga 'SagaWorkflow': it defines"),
        (["diagram", "tests.saga.unsafe_trips"], "name one, as tests.saga.unsafe_trips:HotelStays"),
        (["lint"], "Missing argument"),
        (["draw", "workflows.order"], "No such command"),
    ],
)
def test_what_it_can_t_use_is_one_line_that_says_what_to_do(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import nothing_of_this_name", "imports nothing_of_this_name, which is not there"),
        ("1 / 0", "can't be imported, mend it first: ZeroDivisionError: division by zero"),
        ("def", "can't be imported, mend it first: SyntaxError: "),
    ],
)
def test_a_module_that_fails_is_one_line_too(source: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "broken_trip.py").write_text(source)
    ended = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = [{str(ROOT)!r}]; {RUN}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert told in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


RUN = "from saga.__main__ import run; sys.exit(run(['lint', 'broken_trip']))"


def test_it_runs_as_a_module() -> None:
    argv = [sys.executable, "-m", "saga", "lint", "tests.saga.unsafe_trips:HotelStays"]
    ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.endswith("[undo-missing]\n")
