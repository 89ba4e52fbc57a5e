"""Documents that people put into files, and the one line that says what is wrong with one."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from cli.order_input import MAX_BYTES
from cli.problems import BadInput
from contracts.order_document import order_of
from tests.cli.given import FINER, NO_AMOUNT, NO_VERSION, NOTHING, told

DOCUMENT = (
    '{"customer_id": "C-1", "items": [{"sku": "BOOK", "quantity": 2, "unit_price": 12.10}],'
    ' "card_token": "tok_visa", "ship_to": "x"}'
)

PRICE = "items[0].unit_price"

UNKNOWN = "schema_version: 9 is not known here, the newest is 1"

WHOLE = "items[0].quantity: must be a whole number"


def test_a_file_says_an_order_and_numbers_are_read_exactly(tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_text(DOCUMENT)
    assert NOTHING.order_in(str(path)).order.items[0].unit_price_minor == 1210
    path.write_text("\ufeff" + DOCUMENT.replace("12.10", '"1000000000.01"'))
    assert NOTHING.order_in(str(path)).order.items[0].unit_price_minor == 100000000001
    path.write_text(
        DOCUMENT.replace("{", '{"order_id": "o-1", "currency": "JPY",', 1).replace(".10", "")
    )
    given = NOTHING.order_in(str(path))
    assert (given.order.order_id, given.id_given, str(given.order.total)) == ("o-1", True, "24 JPY")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (DOCUMENT[:-1], "no JSON: Expecting ',' delimiter in line 1, column 128"),
        ("", "no JSON: Expecting value in line 1, column 1"),
        ("[1]", "no order: it must be one JSON object"),
        ("[" * 100_000, "no order: its lists or objects are nested too deeply"),
        ("1" * 5000, "no order: a number in it has too many digits"),
        ('{"a": 1, "b": 2, "a": 3}', "no order: 'a' stands twice in one object"),
        (DOCUMENT.replace("12.10", "NaN"), "no order: NaN is no number"),
        (DOCUMENT.replace("ship_to", "shipto"), "shipto: is no field of an order"),
        (DOCUMENT.replace('"sku"', '"size": 1, "sku"'), "items[0].size: is no field of an order"),
        (DOCUMENT.replace(', "ship_to": "x"', ""), "ship_to: is missing"),
        (DOCUMENT.replace(": 2,", ": 0,"), "items[0].quantity: must be at least 1 (got 0)"),
        (DOCUMENT.replace(": 2,", ': "2",'), f"{WHOLE} (got '2')"),
        (DOCUMENT.replace(": 2,", ": true,"), f"{WHOLE} (got True)"),
        (DOCUMENT.replace("[", '{"a": [').replace("]", "]}"), "items: must be a list"),
        (DOCUMENT.replace("12.10", "-0.01"), f"{PRICE}: -0.01 USD is negative"),
        (DOCUMENT.replace("12.10", "0.001"), f"{PRICE}: 0.001 {FINER}"),
        (DOCUMENT.replace("12.10", "true"), f"{PRICE}: 'True' {NO_AMOUNT}"),
        (DOCUMENT.replace("12.10", "1e999999"), f"{PRICE}: '1E+999999' {NO_AMOUNT}"),
        (
            DOCUMENT.replace("12.10", "1e14"),
            f"{PRICE}: in cents: must be at most 1000000000000 (got 10000000000000000)",
        ),
        (json.dumps(json.loads(DOCUMENT) | {"items": []}), "items: must have at least 1 (got 0)"),
        (" " * (MAX_BYTES + 1), "an order has at most 1000000 bytes"),
        (DOCUMENT.replace("{", '{"schema_version": 9, ', 1), UNKNOWN),
        (DOCUMENT.replace("{", '{"schema_version": 0, ', 1), f"{NO_VERSION}, not 0"),
    ],
)
def test_a_bad_file_is_told_in_one_line(
    content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "order.json"
    path.write_text(content)
    expected = (2, f"error: {path}: {message}\n")
    assert told(capsys, "place-order", "--file", str(path)) == expected


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"/none: cannot be read \(No such file or directory\)"):
        NOTHING.order_in(str(tmp_path / "none"))
    with pytest.raises(BadInput, match=r"cannot be read \(Is a directory\)"):
        NOTHING.order_in(str(tmp_path))
    (tmp_path / "latin").write_bytes(b'{"ship_to": "\xe9"}')
    with pytest.raises(BadInput, match="no UTF-8 text: byte 13 is wrong"):
        NOTHING.order_in(str(tmp_path / "latin"))


def test_a_document_may_hold_decimals_and_strings() -> None:
    document = {**json.loads(DOCUMENT, parse_float=Decimal), "order_id": "o-1"}
    assert order_of(document, {}).order.total.minor == 2420


@pytest.mark.parametrize("said", ["", '"schema_version": 1, '])
def test_a_file_may_say_its_version(tmp_path: Path, said: str) -> None:
    (file := tmp_path / "order.json").write_text(DOCUMENT.replace("{", "{" + said, 1))
    assert str(NOTHING.order_in(str(file)).order.total) == "24.20 USD"
