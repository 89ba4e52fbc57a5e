"""Ids of events side by side: those that logs tell, a broker holds, and consumers have taken in.

They lie in a temporary file of SQLite's, so memory stays flat however many there are.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

from audit.event_rows import About, Dead, Held, Listens, Missing, NotTakenIn, Taken, Told

_TABLES = """
CREATE TABLE told (
  id TEXT PRIMARY KEY, order_id TEXT, place INTEGER, channel TEXT, type TEXT, at REAL, due TEXT,
  open INTEGER, digest BLOB
) WITHOUT ROWID;
CREATE INDEX told_order ON told (order_id, place);
CREATE TABLE held (
  id TEXT PRIMARY KEY, channel TEXT, type TEXT, order_id TEXT, times INTEGER, digest BLOB,
  differs INTEGER
) WITHOUT ROWID;
CREATE TABLE taken (
  consumer TEXT, id TEXT, type TEXT, at REAL, PRIMARY KEY (consumer, id)
) WITHOUT ROWID;
CREATE TABLE dead (
  consumer TEXT, id TEXT, channel TEXT, type TEXT, order_id TEXT, letter TEXT,
  PRIMARY KEY (consumer, id)
) WITHOUT ROWID;
CREATE TABLE listens (consumer TEXT, type TEXT, waiting INTEGER, PRIMARY KEY (consumer, type));
CREATE TABLE logged (channel TEXT PRIMARY KEY);
CREATE TABLE unread (order_id TEXT PRIMARY KEY);
"""
_HELD = """
INSERT INTO held VALUES (?, ?, ?, ?, 1, ?, 0) ON CONFLICT (id) DO UPDATE SET
  times = times + 1, differs = differs OR coalesce(digest != excluded.digest, 0)
"""
_SETTLE = """
UPDATE told SET due = 'must' WHERE due = 'unsure' AND order_id IN (
  SELECT order_id FROM told WHERE id IN (
    SELECT id FROM held UNION SELECT id FROM taken UNION SELECT id FROM dead
  )
)
"""
_MISSING = """
SELECT told.id, told.type, told.channel, told.order_id, told.open, told.at
FROM told LEFT JOIN held USING (id)
WHERE due = 'must' AND held.id IS NULL AND told.channel IN (SELECT channel FROM logged)
ORDER BY told.order_id, told.place
"""
_DIFFERING = """
SELECT held.id, held.type, held.channel, held.order_id
FROM held LEFT JOIN told USING (id) WHERE differs OR told.digest != held.digest ORDER BY held.id
"""
_TWICE = """
SELECT id, type, channel, order_id, times FROM held WHERE times > 1 AND NOT differs ORDER BY id
"""
_ORPHANS = """
SELECT held.id, held.type, held.channel, held.order_id FROM held LEFT JOIN told USING (id)
WHERE told.id IS NULL AND held.order_id NOT IN (SELECT order_id FROM unread) ORDER BY held.id
"""
_NOT_TAKEN_IN = """
SELECT told.id, told.type, told.channel, told.order_id, told.open, told.at, listens.consumer,
  listens.waiting, held.id IS NOT NULL
FROM told JOIN listens ON listens.type = told.type LEFT JOIN held ON held.id = told.id
LEFT JOIN taken ON taken.consumer = listens.consumer AND taken.id = told.id
LEFT JOIN dead ON dead.consumer = listens.consumer AND dead.id = told.id
WHERE due = 'must' AND taken.id IS NULL AND dead.id IS NULL
  AND (held.id IS NOT NULL OR told.channel NOT IN (SELECT channel FROM logged))
ORDER BY listens.consumer, told.order_id, told.place
"""
_TAKEN_FROM_NOBODY = """
SELECT taken.id, taken.type, taken.consumer FROM taken
LEFT JOIN told ON told.id = taken.id LEFT JOIN held ON held.id = taken.id
WHERE told.id IS NULL AND held.id IS NULL AND taken.at < ? ORDER BY taken.id
"""


class Ledger:
    """The ids of one audit; see `ledger`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.executescript(_TABLES)
        # Never committed: it is thrown away.
        connection.execute("BEGIN")

    def tell(self, events: Iterable[Told]) -> None:
        """Take in what logs make; what is told again replaces what was told."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", events
        )

    def hold(self, events: Iterable[Held]) -> None:
        """Take in what a broker's log has."""
        self._connection.executemany(_HELD, events)

    def take(self, rows: Iterable[Taken]) -> None:
        """Take in an inbox."""
        self._connection.executemany("INSERT OR IGNORE INTO taken VALUES (?, ?, ?, ?)", rows)

    def bury(self, letters: Iterable[Dead]) -> None:
        """Take in dead letters."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO dead VALUES (?, ?, ?, ?, ?, ?)", letters
        )

    def listen(self, consumers: Iterable[Listens]) -> None:
        """Take in who has to take in what."""
        self._connection.executemany("INSERT INTO listens VALUES (?, ?, ?)", consumers)

    def log(self, channel: str) -> None:
        """The broker keeps the log of this channel."""
        self._connection.execute("INSERT INTO logged VALUES (?)", (channel,))

    def unreadable(self, order_ids: Iterable[str]) -> None:
        """What these orders' sagas must have published is not known."""
        sql = "INSERT OR IGNORE INTO unread VALUES (?)"
        self._connection.executemany(sql, ((it,) for it in order_ids))

    def settle(self) -> int:
        """Decide what is unsure; how many orders stay so, since nothing of them is found."""
        self._connection.execute(_SETTLE)
        return self._count("SELECT count(DISTINCT order_id) FROM told WHERE due = 'unsure'")

    @property
    def due(self) -> int:
        """How many events must have been published."""
        return self._count("SELECT count(*) FROM told WHERE due = 'must'")

    def missing(self) -> Iterator[Missing]:
        """What must be in a log that is kept, and is not; by order, in its order."""
        return (Missing(*row) for row in self._connection.execute(_MISSING))

    def differing(self) -> Iterator[About]:
        """What is on the broker with another content, by its log or by its own repetitions."""
        return (About(*row) for row in self._connection.execute(_DIFFERING))

    def twice(self) -> Iterator[tuple[About, int]]:
        """What is on the broker several times, and how often."""
        return ((About(*row[:4]), row[4]) for row in self._connection.execute(_TWICE))

    def orphans(self) -> Iterator[About]:
        """What is on the broker and no log makes."""
        return (About(*row) for row in self._connection.execute(_ORPHANS))

    def not_taken_in(self) -> Iterator[NotTakenIn]:
        """What must be in an inbox, and is not, nor among the consumer's dead letters."""
        return (NotTakenIn(*row) for row in self._connection.execute(_NOT_TAKEN_IN))

    def taken_from_nobody(self, before: float) -> Iterator[tuple[str, str, str]]:
        """Id, type and consumer of what an inbox had before then, and nobody has published."""
        return iter(self._connection.execute(_TAKEN_FROM_NOBODY, (before,)))

    def dead(self) -> Iterator[Dead]:
        """All dead letters."""
        rows = self._connection.execute("SELECT * FROM dead ORDER BY consumer, id")
        return (Dead(*row) for row in rows)

    def _count(self, query: str) -> int:
        [[count]] = self._connection.execute(query)
        return int(count)


@contextmanager
def ledger() -> Iterator[Ledger]:
    """An empty ledger, gone at the end."""
    # A database without a name lies in a file that SQLite deletes by itself.
    with closing(sqlite3.connect("", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        yield Ledger(connection)
