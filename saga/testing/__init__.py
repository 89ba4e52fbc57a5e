"""The failure matrix: participants, faults and invariants for any saga's own tests.

See docs/failure-matrix.md. A test needs `Subject`, and `Verdict` for a hint; what stands below
them, `Participants`, `Ledger`, `faults` and `violations`, serves tests of other kinds.
"""

from saga.testing import faults
from saga.testing.bench import Verdict
from saga.testing.faults import Fault, FaultKind, Moment
from saga.testing.invariants import Definition, Observed, violations
from saga.testing.ledger import Ledger
from saga.testing.participants import Participants
from saga.testing.posting import How, Posting, Role, What
from saga.testing.subject import Subject

__all__ = [
    "Definition",
    "Fault",
    "FaultKind",
    "How",
    "Ledger",
    "Moment",
    "Observed",
    "Participants",
    "Posting",
    "Role",
    "Subject",
    "Verdict",
    "What",
    "faults",
    "violations",
]
