"""`audit --events`: whether broker and inboxes have what the sagas' logs say was published."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from audit.event_findings import EventAudit
from audit.event_plane import Plane, Scope, audit_events, publish_again
from audit.inboxes import Inboxes
from audit.logs import Logs
from cli.audit import logs_of
from cli.audit_event_documents import event_audit_document
from cli.broker import configured_broker
from cli.durations import duration, moment
from cli.problems import BadInput
from cli.terminal import say_json
from contracts.catalogue import CATALOGUE, SENDER
from runtime.settings import Settings

_FORM = "CONSUMER=URL, such as notification=sqlite:////data/notification.db"


@dataclass(frozen=True)
class Asked:
    """What a person asks of the audit."""

    scope: Scope
    inboxes: Mapping[str, str]
    """URLs by consumer; those of the settings come to them."""
    repair: bool
    as_json: bool


def asked(
    order_id: str | None,
    inboxes: Sequence[str],
    grace: str,
    since: str | None,
    *,
    repair: bool,
    as_json: bool,
) -> Asked:
    """What the options say; raises BadInput."""
    if order_id is not None:
        raise BadInput("--events looks at all orders: leave the id out")
    urls: dict[str, str] = {}
    for given in inboxes:
        consumer, equals, url = given.partition("=")
        if not (consumer and equals and "://" in url):
            raise BadInput(f"--inbox: write it like {_FORM}")
        urls[consumer] = url
    begin = None if since is None else moment("--since", since)
    return Asked(Scope(duration("--grace", grace), begin), urls, repair, as_json)


async def audit_published(given: Asked) -> int:
    """Audit, repair if that is asked for and look again; the exit code, 1 when anything is wrong.

    Raises SettingsError, ServerUnreachable, BrokerUnreachable or NoAnswer: there is no audit of a
    part, rather than one that a script would take for the whole.
    """
    gc.enable()  # See `cli.process`; there may be hundreds of thousands of orders.
    settings = Settings.from_environment()
    urls = {**settings.event_inbox_urls, **given.inboxes}
    consumers = {group for it in CATALOGUE if it.sender == SENDER for group in it.receivers}
    if unknown := sorted(urls.keys() - consumers):
        known = ", ".join(sorted(consumers))
        raise BadInput(f"--inbox: the sagas send nothing to {unknown[0]}, but to {known}")
    async with (
        configured_broker(settings, None) as broker,
        Inboxes.open(urls) as inboxes,
        logs_of(settings) as (sagas, logs),
    ):
        with sagas.answering():
            plane = Plane(broker, CATALOGUE, SENDER, inboxes)
            found, published = await _audited(logs, plane, given)
    if given.as_json:
        say_json(event_audit_document(found, published))
    else:
        from cli.audit_event_tables import print_event_audit

        print_event_audit(found, published)
    return 0 if found.clean else 1


async def _audited(logs: Logs, plane: Plane, given: Asked) -> tuple[EventAudit, list[str] | None]:
    found = await audit_events(logs, plane, given.scope)
    if not given.repair:
        return found, None
    published = await publish_again(logs, plane, found)
    if published:
        scope = replace(given.scope, just_published=frozenset(published))
        found = await audit_events(logs, plane, scope)
    return found, published
