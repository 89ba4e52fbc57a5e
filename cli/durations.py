"""Durations as a person writes them."""

import re
from datetime import timedelta

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
