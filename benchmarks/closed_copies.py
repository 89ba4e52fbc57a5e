"""Closed sagas by the ten thousand, without carrying them out: rows of the dev server's own file.

To carry out 50,000 orders takes half an hour. What they leave behind in the store is what slows
later ones down, if anything does, so it is copied: each copy has all rows of an order that was
carried out (mutable state, history, visibility), byte for byte, under another workflow and run id.
What it lacks is the timer that has the server forget it after its retention. Nothing may read a
copy's history by its id, since the ids within the bytes are still those of the original.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import uuid4

_CHUNK = 2000
_COPIED = {
    "executions": ("workflow_id = c.id || c.suffix", "run_id = c.run"),
    "current_executions": ("workflow_id = c.id || c.suffix", "run_id = c.run"),
    "history_tree": ("tree_id = c.run",),
    "history_node": ("tree_id = c.run",),
    "executions_visibility": ("workflow_id = c.id || c.suffix", "run_id = c.run_text"),
}
"""The tables, and what differs in a copy."""
_OF_ORIGINAL = {
    "executions": "t.shard_id = c.shard AND t.namespace_id = c.namespace AND t.workflow_id = c.id",
    "history_tree": "t.shard_id = c.shard AND t.tree_id = c.original",
    "executions_visibility": "t.namespace_id = c.namespace_text AND t.run_id = c.original_text",
}
_OF_ORIGINAL["current_executions"] = _OF_ORIGINAL["executions"]
_OF_ORIGINAL["history_node"] = _OF_ORIGINAL["history_tree"]

_CLOSED = "v.close_time IS NOT NULL AND v.workflow_id LIKE 'order-%'"
_ORIGINALS = f"""
    SELECT e.shard_id, e.namespace_id, v.namespace_id, e.workflow_id, e.run_id, v.run_id
    FROM executions_visibility v
    JOIN executions e ON e.workflow_id = v.workflow_id
    WHERE {_CLOSED} AND v.workflow_id NOT LIKE '%~%'
    LIMIT 1000
"""  # noqa: S608 - no more than what stands here


def closed_orders(database: Path) -> int:
    """How many closed orders the file has, copies included; none when there is no file yet."""
    if not database.exists():
        return 0
    with closing(sqlite3.connect(database)) as connected:
        [count] = connected.execute(
            f"SELECT count(*) FROM executions_visibility v WHERE {_CLOSED}"  # noqa: S608 - as above
        ).fetchone()
    return int(count)


def copy_closed(database: Path, count: int) -> None:
    """Add so many copies of the file's closed orders; its server must be down."""
    with closing(sqlite3.connect(database)) as connected:
        originals = connected.execute(_ORIGINALS).fetchall()
        connected.execute(
            "CREATE TEMP TABLE copies (shard, namespace, namespace_text, id, original,"
            " original_text, suffix, run, run_text)"
        )
        inserts = [_insert(connected, table) for table in _COPIED]
        for first in range(0, count, _CHUNK):
            connected.execute("DELETE FROM copies")
            for number in range(first, min(first + _CHUNK, count)):
                run = uuid4()
                values = (*originals[number % len(originals)], f"~{run}", run.bytes, str(run))
                connected.execute("INSERT INTO copies VALUES (?,?,?,?,?,?,?,?,?)", values)
            for insert in inserts:
                connected.execute(insert)
            connected.commit()


def _insert(connected: sqlite3.Connection, table: str) -> str:
    changed = dict(change.split(" = ", 1) for change in _COPIED[table])
    # What is generated is hidden, and makes itself.
    columns = [
        name
        for _, name, *_, hidden in connected.execute(f"PRAGMA table_xinfo({table})")
        if not hidden
    ]
    values = ", ".join(changed.get(name, f"t.{name}") for name in columns)
    return (
        f"INSERT INTO {table} ({', '.join(columns)})"  # noqa: S608 - names of our own
        f" SELECT {values} FROM copies c JOIN {table} t ON {_OF_ORIGINAL[table]}"
    )
