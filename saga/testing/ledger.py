"""The ledger: one SQLite file of what the participants did, and of the faults they are to have.

Each call is one transaction, so the file holds when a worker process is killed, and several
processes share it.
"""

from dataclasses import dataclass
from pathlib import Path

from saga.envelope import Call
from saga.messages import Command
from saga.testing.faults import Fault, FaultKind, Moment
from saga.testing.posting import How, Posting, Role, What
from saga.testing.store import Store, content_of, post


@dataclass(frozen=True)
class Struck:
    """A fault that strikes a call."""

    number: int
    fault: Fault


class Ledger:
    """The books of all participants of all sagas under test; `:memory:` for one process alone."""

    def __init__(self, path: Path | str) -> None:
        self.path = path
        self.store = Store(path)

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    # For tests: what shall go wrong.

    def strike(self, saga_id: str, *faults: Fault) -> None:
        """Let these faults happen to a saga."""
        with self.store.transaction() as database:
            for it in faults:
                database.execute(
                    "INSERT INTO faults (saga_id, call, kind, moment, times, deaf)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (saga_id, it.call, it.kind, it.moment, it.times, it.deaf),
                )

    def recover(self, saga_id: str, call: str | None = None) -> None:
        """Take back the faults of one call, or all of them; what is held goes on."""
        with self.store.transaction() as database:
            database.execute(
                "UPDATE faults SET gone = 1 WHERE saga_id = ? AND call = coalesce(?, call)",
                (saga_id, call),
            )

    def reached(self, saga_id: str, call: str) -> bool:
        """Whether a fault that is not taken back has struck this call."""
        found = self.store.find(
            "SELECT 1 FROM faults WHERE saga_id = ? AND call = ? AND reached AND NOT gone",
            (saga_id, call),
        )
        return bool(found)

    def unstruck(self, saga_id: str) -> list[str]:
        """The faults that have struck nothing, taken back or not, one line each."""
        found = self.store.find(
            "SELECT kind, call FROM faults WHERE saga_id = ? AND NOT reached", (saga_id,)
        )
        return [f"{kind} of {call}" for kind, call in found]

    # For tests: what happened.

    def postings(self, saga_id: str) -> list[Posting]:
        """All that happened to one saga, in order."""
        rows = self.store.find(
            "SELECT number, saga_id, what, role, name, step, key, call, how, minor, currency"
            " FROM postings WHERE saga_id = ? ORDER BY number",
            (saga_id,),
        )
        return [
            Posting(
                number=row[0],
                saga_id=row[1],
                what=What(row[2]),
                role=Role(row[3]),
                name=row[4],
                step=row[5],
                key=row[6],
                call=row[7],
                how=How(row[8]) if row[8] else None,
                minor=row[9],
                currency=row[10],
            )
            for row in rows
        ]

    def effects(self, saga_id: str) -> list[str]:
        """The names of what was done and taken back, in order."""
        return [it.name for it in self.postings(saga_id) if it.what is What.EFFECT]

    def calls(self, saga_id: str) -> list[str]:
        """The names of all calls that arrived, in order."""
        return [it.name for it in self.postings(saga_id) if it.what is What.BEGAN]

    def batches(self, saga_id: str, sink: str) -> list[str]:
        """What a sink was handed, as JSON."""
        select = "SELECT batch FROM batches WHERE saga_id = ? AND sink = ? ORDER BY number"
        return [str(row[0]) for row in self.store.find(select, (saga_id, sink))]

    # For the participants.

    def begin(self, call: Call[Command], role: Role, *, pid: int) -> int:
        """A call has arrived; its number."""
        with self.store.transaction() as database:
            if role is Role.ACTION:
                database.execute(
                    "INSERT OR IGNORE INTO commands VALUES (?, ?)", (call.key, content_of(call))
                )
            number = post(database, call, What.BEGAN, role, 0, pid=pid)
            database.execute("UPDATE postings SET call = number WHERE number = ?", (number,))
        return number

    def end(self, call: Call[Command], role: Role, number: int, how: How) -> None:
        """A call has ended."""
        with self.store.transaction() as database:
            post(database, call, What.ENDED, role, number, how=how)

    def died(self, pid: int) -> None:
        """All calls of a killed process have ended."""
        with self.store.transaction() as database:
            database.execute(
                "INSERT INTO postings (saga_id, what, role, name, step, key, call, how)"
                " SELECT saga_id, ?, role, name, step, key, number, ? FROM postings AS began"
                " WHERE pid = ? AND what = ? AND NOT EXISTS"
                " (SELECT 1 FROM postings WHERE call = began.number AND what = ?)",
                (What.ENDED, How.KILLED, pid, What.BEGAN, What.ENDED),
            )

    def hand_over(self, saga_id: str, sink: str, batch: str) -> None:
        """Keep what a sink was handed."""
        with self.store.transaction() as database:
            database.execute(
                "INSERT INTO batches (saga_id, sink, batch) VALUES (?, ?, ?)",
                (saga_id, sink, batch),
            )

    # For the participants: what goes wrong.

    def struck(self, saga_id: str, call: str, moment: Moment) -> list[Struck]:
        """The faults that strike a call now, in the order in which they were told of."""
        rows = self.store.find(
            "SELECT number, kind, times, deaf FROM faults WHERE saga_id = ? AND call = ?"
            " AND moment = ? AND coalesce(times, 1) > 0 AND NOT gone ORDER BY number",
            (saga_id, call, moment),
        )
        return [
            Struck(
                row[0],
                Fault(
                    call=call,
                    kind=FaultKind(row[1]),
                    times=row[2],
                    moment=moment,
                    deaf=bool(row[3]),
                ),
            )
            for row in rows
        ]

    def take(self, struck: Struck) -> bool:
        """Use a fault up by one; False if another call has had its last."""
        with self.store.transaction() as database:
            taken = database.execute(
                "UPDATE faults SET times = times - 1, reached = 1"
                " WHERE number = ? AND coalesce(times, 1) > 0 AND NOT gone",
                (struck.number,),
            )
        return taken.rowcount == 1

    def stands(self, struck: Struck) -> bool:
        """Whether nobody has taken the fault back yet."""
        select = "SELECT 1 FROM faults WHERE number = ? AND NOT gone"
        return bool(self.store.find(select, (struck.number,)))

    def arm(self, struck: Struck) -> None:
        """Let a kill come with the saga's next call."""
        with self.store.transaction() as database:
            database.execute(
                "UPDATE faults SET armed = 1, reached = 0 WHERE number = ?", (struck.number,)
            )

    def disarm(self, saga_id: str) -> bool:
        """Whether a kill was to come with this call; it comes once."""
        with self.store.transaction() as database:
            disarmed = database.execute(
                "UPDATE faults SET armed = 0, reached = 1 WHERE saga_id = ? AND armed = 1",
                (saga_id,),
            )
        return disarmed.rowcount > 0
