"""The command as a process: its exit code, one line for what went wrong, and a quick end.

0   done
1   the saga was compensated, or the finding is negative
2   the command was used wrongly
3   a server that is needed does not answer
130 interrupted
"""

import contextlib
import gc
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import NoReturn


def main() -> NoReturn:
    """Run the command that the arguments name, and end the process with its exit code."""
    # Nearly all that a command allocates is imported code, which stays: without collections the
    # imports take a third less time. `cli.follow`, which may run for hours, turns them on again.
    gc.disable()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = code or 1
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.flush()
    # Not sys.exit: the SDK's threads may call into an interpreter that is being taken down, which
    # crashes the process. Nothing is left to do that an exit handler would.
    os._exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; a problem is told in one line on stderr."""
    import typer

    from cli.app import app
    from cli.problems import Problem
    from cli.terminal import one_line
    from runtime.errors import RuntimeProblem

    try:
        code: int | None = app(arguments, prog_name="starter.py", standalone_mode=False)
    except (Problem, RuntimeProblem) as problem:
        typer.echo(f"error: {one_line(str(problem))}", err=True)
        return problem.exit_code
    except typer.TyperException as problem:
        # Without a command the message is the help, which keeps its lines.
        message = problem.format_message()
        typer.echo(f"error: {one_line(message)}" if arguments else message, err=True)
        return problem.exit_code
    except SystemExit as ended:  # Whoever read our output has closed it.
        return ended.code if isinstance(ended.code, int) else 1
    return code or 0
