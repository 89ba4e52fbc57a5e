"""The functions of a Go program that was stripped: read from the table that its own panics use."""

import bisect
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_MAGIC = 0xFFFFFFF1
"""Of Go 1.20 and later."""


class NoGoTable(Exception):
    """The file is no 64-bit ELF of Go 1.20 or later."""


@dataclass(frozen=True)
class GoSymbols:
    """Function names by place in the file, which is what perf tells of a program without symbols.

    Source of the layout: `runtime/symtab.go` and `cmd/link/internal/ld/pcln.go` of Go.
    """

    _starts: Sequence[int]
    """Offsets in the file, ascending."""
    _names: Sequence[str]

    @classmethod
    def read(cls, program: Path) -> "GoSymbols":
        """Raises NoGoTable."""
        data = program.read_bytes()
        if data[:5] != b"\x7fELF\x02":
            raise NoGoTable(f"{program}: no 64-bit ELF")
        sections = _sections(data)
        if ".gopclntab" not in sections or ".text" not in sections:
            raise NoGoTable(f"{program}: not made by Go")
        text, (table, _) = sections[".text"], sections[".gopclntab"]
        if struct.unpack_from("<I", data, table)[0] != _MAGIC:
            raise NoGoTable(f"{program}: made by a Go whose table is another one")
        # Functions, files, text, then the offsets of names, units, files, places and lines.
        count, _, _, names_at, _, _, _, functions_at = struct.unpack_from("<8Q", data, table + 8)
        starts, names = [], []
        for number in range(count):
            entry, at = struct.unpack_from("<II", data, table + functions_at + 8 * number)
            [named] = struct.unpack_from("<i", data, table + functions_at + at + 4)
            name = table + names_at + named
            starts.append(text[0] + entry)
            names.append(data[name : data.index(b"\0", name)].decode(errors="replace"))
        return cls(starts, names)

    def at(self, place: int) -> str:
        """The function at a place in the file."""
        return self._names[max(bisect.bisect_right(self._starts, place) - 1, 0)]


def _sections(data: bytes) -> dict[str, tuple[int, int]]:
    """Where sections are in the file, and their sizes."""
    [table] = struct.unpack_from("<Q", data, 0x28)
    size, count, named_by = struct.unpack_from("<HHH", data, 0x3A)
    rows = [struct.unpack_from("<IIQQQQ", data, table + size * it) for it in range(count)]
    names = rows[named_by][4]
    return {
        data[names + it[0] : data.index(b"\0", names + it[0])].decode(): (it[4], it[5])
        for it in rows
    }
