"""What is wrong in a document that someone has written, as one line that says where."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_LONGEST_INPUT = 40
_PHRASES = {
    "missing": "is missing",
    "extra_forbidden": "is no field of an order",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length}",
    "too_long": "must have at most {max_length}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_type": "must be a text",
    "string_unicode": "must be a text in the terminal's encoding",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "tuple_type": "must be a list",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}


class BadDocument(Exception):
    """A document holds something unusable; the message is one line that says what."""


def first_problem(error: "ValidationError", names: Mapping[str, str] | None = None) -> str:
    """The first of the problems, e.g. `items[0].quantity: must be at least 1 (got 0)`.

    `names` tells what a field is called where its value was given, e.g. `--customer`.
    """
    problems = error.errors(include_url=False)
    # A misspelt field is missing too, under its right name; the wrong one says more.
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = (unknown or problems)[0]
    place = _path(problem["loc"])
    name = (names or {}).get(place, place)
    told = _phrase(problem) + _got(place, problem)
    return f"{name}: {told}" if name else told


def _path(parts: Sequence[int | str]) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return path.removeprefix(".")


def _phrase(problem: "ErrorDetails") -> str:
    context = problem.get("ctx", {})
    if problem["type"] == "string_pattern_mismatch":
        if len(context["pattern"]) < 15:
            return "must be three capital letters, such as USD"
        return "must be letters and digits, then also . _ : -"
    phrase = _PHRASES.get(problem["type"])
    return phrase.format(**context) if phrase else problem["msg"].removeprefix("Value error, ")


def _got(place: str, problem: "ErrorDetails") -> str:
    # Where a token belongs, someone may have put a card's number.
    if problem["type"] in {"missing", "extra_forbidden"} or place == "card_token":
        return ""
    given = problem["input"]
    if isinstance(given, (list, tuple, dict)):
        return f" (got {len(given)})" if problem["type"] in {"too_long", "too_short"} else ""
    text = repr(given) if isinstance(given, str) else str(given)
    return f" (got {text[:_LONGEST_INPUT]}{'...' if len(text) > _LONGEST_INPUT else ''})"
