"""Functions of a stripped Go program, by their place in its file."""

import struct
import sys
from pathlib import Path

import pytest

from benchmarks.go_symbols import GoSymbols, NoGoTable
from tests.binaries import DEV_SERVER


@pytest.mark.skipif(sys.platform != "linux", reason="it reads ELF, and perf is Linux's")
def test_a_program_begins_where_go_begins() -> None:
    assert DEV_SERVER is not None
    program = Path(DEV_SERVER)
    header = program.read_bytes()[:4096]
    [entry] = struct.unpack_from("<Q", header, 0x18)
    [table] = struct.unpack_from("<Q", header, 0x20)
    # The first segment that is loaded is the code, from the file's beginning.
    loaded = next(
        at for at in range(table, len(header), 56) if struct.unpack_from("<I", header, at)[0] == 1
    )
    [base] = struct.unpack_from("<Q", header, loaded + 0x10)
    assert GoSymbols.read(program).at(entry - base).startswith("_rt0_")


def test_what_is_no_go_program_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("#!/bin/sh")
    with pytest.raises(NoGoTable, match="no 64-bit ELF"):
        GoSymbols.read(tmp_path / "text")
