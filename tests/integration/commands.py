"""Commands of `starter.py` in processes of their own, forked from one that has imported them."""

import asyncio
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cli.process import main

_FORKS = multiprocessing.get_context("forkserver")
_STREAMS = ("in", "out", "err")


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str


async def run_command(
    arguments: Sequence[str], env: Mapping[str, str], cwd: Path, stdin: str = ""
) -> Ran:
    """Run a command to its end; started anew, each would take two seconds to import."""
    _FORKS.set_forkserver_preload([__name__, "cli.app"])
    with TemporaryDirectory(prefix="cmd") as made:
        folder = Path(made)
        (folder / "in").write_text(stdin)
        process = _FORKS.Process(
            target=_command, args=(list(arguments), dict(env), cwd, folder), daemon=True
        )
        await asyncio.to_thread(process.start)
        try:
            while process.is_alive():
                await asyncio.sleep(0.01)
        finally:
            process.kill()
            process.join()
        assert process.exitcode is not None
        out, err = ((folder / name).read_text() for name in ("out", "err"))
        return Ran(process.exitcode, out, err)


def _command(arguments: list[str], env: dict[str, str], cwd: Path, folder: Path) -> None:
    for number, name in enumerate(_STREAMS):
        flags = os.O_RDWR | os.O_CREAT
        os.dup2(os.open(folder / name, flags), number)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = ["starter.py", *arguments]
    main()
