"""The document of `audit --events --json`; docs/audit.md tells its members."""

from collections.abc import Sequence
from dataclasses import asdict

from audit.event_findings import EventAudit, EventFinding
from cli.audit_documents import Document, instant


def event_audit_document(found: EventAudit, published: Sequence[str] | None) -> Document:
    """The audit, and the ids of what was published again if that was asked for."""
    return {
        "clean": found.clean,
        "audited_at": instant(found.at),
        "sagas": found.sagas,
        "untold": found.untold,
        "due": found.due,
        "under_way": found.under_way,
        "channels": [asdict(it) for it in found.channels],
        "consumers": [asdict(it) for it in found.consumers],
        "twice": [
            {
                "event_id": about.id,
                "event_type": about.type,
                "order_id": about.order_id,
                "channel": about.channel,
                "times": times,
            }
            for about, times in found.twice
        ],
        "repaired": None if published is None else list(published),
        "findings": [_finding(it) for it in found.findings],
    }


def _finding(finding: EventFinding) -> Document:
    return {
        "kind": str(finding.kind),
        "event_id": finding.event_id,
        "event_type": finding.event_type,
        "order_id": finding.order_id,
        "channel": finding.channel,
        "consumer": finding.consumer,
        "message": finding.message,
        "next": finding.next,
    }
