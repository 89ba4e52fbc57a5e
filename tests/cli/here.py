"""The command line in the tests' own process."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from cli.process import run
from tests.integration.commands import Ran


@dataclass
class Here:
    """Runs commands in a thread, one after the other."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    async def run(self, settings: Mapping[str, str], *arguments: str, **variables: str) -> Ran:
        """Run a command with these variables; what it wrote before is not told again."""
        with self.monkeypatch.context() as patched:
            for name, value in {**settings, **variables}.items():
                patched.setenv(name, value)
            self.capsys.readouterr()
            code = await asyncio.to_thread(run, arguments)
        out, err = self.capsys.readouterr()
        return Ran(code, out, err)
