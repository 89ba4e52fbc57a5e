"""`python -m saga`: look at the definitions of sagas before any of them runs.

Exit codes: 0 done, 1 something was found, 2 wrong usage or nothing to look at.
"""

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from runtime.errors import RuntimeProblem

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Check the definitions of sagas, or draw one.",
)


@app.command()
def lint(
    targets: Annotated[
        list[str], typer.Argument(metavar="TARGET...", help="MODULE or MODULE:CLASS.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON document to stdout.")
    ] = False,
) -> None:
    """Tell what is wrong with sagas, and what to do; the exit code is 1 if anything is."""
    from saga.lint import lint, saga_name
    from saga.named import sagas_named

    # A saga that is named twice is looked at once.
    sagas = {saga_name(saga): saga for target in targets for saga in sagas_named(target)}
    findings = [finding for saga in sagas.values() for finding in lint(saga)]
    if as_json:
        told = [
            {"rule": it.rule, "saga": it.saga, "step": it.step, "message": it.message}
            for it in findings
        ]
        typer.echo(json.dumps({"sagas": list(sagas), "findings": told}, indent=2))
    else:
        for finding in findings:
            typer.echo(str(finding))
    raise typer.Exit(1 if findings else 0)


@app.command("diagram")
def draw(target: Annotated[str, typer.Argument(help="MODULE or MODULE:CLASS.")]) -> None:
    """Draw a saga as a Mermaid flowchart."""
    from saga.diagram import diagram
    from saga.named import NotASaga, sagas_named

    sagas = sagas_named(target)
    if len(sagas) > 1:
        names = ", ".join(saga.__name__ for saga in sagas)
        raise NotASaga(f"{target} defines {names}: name one, as {target}:{sagas[0].__name__}")
    typer.echo(diagram(sagas[0]), nl=False)


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; a problem is told in one line on stderr."""
    try:
        code: int | None = app(arguments, prog_name="python -m saga", standalone_mode=False)
    except RuntimeProblem as problem:
        typer.echo(f"error: {problem}", err=True)
        return problem.exit_code
    except typer.TyperException as problem:
        # Without a command the message is the help.
        message = problem.format_message()
        typer.echo(f"error: {message}" if arguments else message, err=True)
        return problem.exit_code
    return code or 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
