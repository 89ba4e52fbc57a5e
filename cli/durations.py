"""Durations and times of day, as a person writes and reads them."""

import re
from datetime import UTC, datetime, timedelta

from cli.problems import BadInput

_FORM = re.compile(r"([0-9]{1,9})(s|m|h|)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(days=365)


def duration(option: str, text: str) -> timedelta:
    """The duration that `90`, `90s`, `10m` or `2h` says, up to a year; raises BadInput."""
    form = _FORM.fullmatch(text)
    if form is None:
        raise BadInput(f"{option} {text!r}: write it like 90, 90s, 10m or 2h")
    length = timedelta(seconds=int(form[1]) * _SECONDS[form[2]])
    if not _SHORTEST <= length <= _LONGEST:
        raise BadInput(f"{option} {text!r}: must be from one second to a year")
    return length


def moment(option: str, text: str) -> datetime:
    """The instant that an ISO time says, or a duration such as `24h` ago; raises BadInput."""
    if _FORM.fullmatch(text):
        return datetime.now(UTC) - duration(option, text)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(f"{option} {text!r}: write it like 24h or 2026-11-24T03:00Z") from None


def age(since: datetime) -> str:
    """How long ago that was, in its two largest units: `3h 12m`."""
    seconds = max(0, int((datetime.now(UTC) - since).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days}d {hours % 24}h"
    if hours:
        return f"{hours}h {minutes % 60}m"
    return f"{minutes}m {seconds % 60}s" if minutes else f"{seconds}s"


def clock(instant: datetime) -> str:
    """The time of day here, to the millisecond, as logs have it: `12:11:55.806`."""
    return instant.astimezone().isoformat(timespec="milliseconds")[11:23]
