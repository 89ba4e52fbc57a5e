"""The failure matrix: participants, faults and invariants for any saga's own tests.

See docs/failure-matrix.md. A test needs `Subject` and the plugin's `saga_matrix`; what stands
below them, `Participants`, `Ledger` and `violations`, serves tests of other kinds.
"""

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
    "What",
    "violations",
]
