"""What people type and put into files, and the one line that says what is wrong with it."""

import pytest

from cli.order_input import OrderOptions
from contracts.commands import MAX_ITEMS
from tests.cli.given import FINER, NO_AMOUNT, told
from tests.cli.shop import ORDER

LETTERS = "must be letters and digits, then also . _ : -"
LIKE = "write it like '{\"amount_minor\": 5}'"
UNSENDABLE = "--with: it holds what cannot be sent: broken text, or too deep"
REPAIR = ("repair", "o-1", "--step", "refund-payment", "--reason", "x")
LIMIT = "Invalid value for '--limit': Input should be"


def options(**changes: object) -> OrderOptions:
    given: dict[str, object] = {
        "order_id": None,
        "customer_id": "C-1",
        "currency": None,
        "items": ("BOOK=2@12.50",),
        "card_token": "tok_visa",
        "ship_to": "x",
    }
    return OrderOptions(**{**given, **changes})  # type: ignore[arg-type]


def test_options_say_an_order() -> None:
    given = options(items=("BOOK=2@12.50", "PEN=1@3.2")).order()
    assert str(given.order.total) == "28.20 USD"
    assert [line.unit_price_minor for line in given.order.items] == [1250, 320]
    assert not given.id_given
    assert options(order_id="o-1").order().id_given


def test_every_order_without_an_id_gets_its_own() -> None:
    assert options().order().order.order_id != options().order().order.order_id


@pytest.mark.parametrize(
    ("currency", "price", "minor"), [("JPY", "5", 5), ("KWD", "1.234", 1234), ("EUR", "0", 0)]
)
def test_prices_are_in_the_currency_s_own_coins(currency: str, price: str, minor: int) -> None:
    order = options(currency=currency, items=(f"BOOK=1@{price}",)).order().order
    assert order.items[0].unit_price_minor == minor


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("BOOK", "--item 'BOOK': write it SKU=QUANTITY@PRICE, e.g. BOOK=2@12.50"),
        ("A=1@1@2", "--item 'A=1@1@2': write it SKU=QUANTITY@PRICE, e.g. BOOK=2@12.50"),
        ("A=0@1", "quantity of --item 'A=0@1': must be at least 1 (got 0)"),
        ("A=-2@1", "quantity of --item 'A=-2@1': must be at least 1 (got -2)"),
        ("A=x@1", "quantity of --item 'A=x@1': must be a whole number (got 'x')"),
        ("A=1.5@1", "quantity of --item 'A=1.5@1': must be a whole number (got '1.5')"),
        ("A=2000000@1", "quantity of --item 'A=2000000@1': must be at most 1000000 (got 2000000)"),
        ("A=1@-1", "unit price of --item 'A=1@-1': -1 USD is negative"),
        (
            "A=1@1.234",
            f"unit price of --item 'A=1@1.234': 1.234 {FINER}",
        ),
        ("A=1@x", f"unit price of --item 'A=1@x': 'x' {NO_AMOUNT}"),
        ("A=1@1e9", f"unit price of --item 'A=1@1e9': '1e9' {NO_AMOUNT}"),
        ("A=1@NaN", f"unit price of --item 'A=1@NaN': 'NaN' {NO_AMOUNT}"),
        ("A B=1@1", f"sku of --item 'A B=1@1': {LETTERS} (got 'A B')"),
    ],
)
def test_a_bad_item_is_told_in_one_line(
    item: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, "place-order", *ORDER, "--item", item) == (2, f"error: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--order-id", "a b"), f"--order-id: {LETTERS} (got 'a b')"),
        (("--order-id", ""), "--order-id: must not be empty (got '')"),
        (
            ("--customer", "x" * 101),
            f"--customer: must have at most 100 characters (got '{'x' * 39}...)",
        ),
        (
            ("--currency", "usd"),
            "--currency: must be three capital letters, such as USD (got 'usd')",
        ),
        (("--card", "4111 1111"), f"--card: {LETTERS}"),
        (("--ship-to", " "), "--ship-to: must not be empty (got ' ')"),
        (("--correlation-id", "a\nb"), rf"--correlation-id: {LETTERS} (got 'a\nb')"),
        (("--deadline", "soon"), "--deadline 'soon': write it like 90, 90s, 10m or 2h"),
        (("--deadline", "0"), "--deadline '0': must be from one second to a year"),
        (("--deadline", "9999h"), "--deadline '9999h': must be from one second to a year"),
        (("--item", "A=1@1") * MAX_ITEMS, "--item: must have at most 100 (got 102)"),
        (("--colour", "red"), "No such option: --colour"),
        (
            ("--file", "order.json"),
            (
                "--file says the whole order:"
                " leave out --customer, --item, --card, --ship-to, or --file"
            ),
        ),
    ],
)
def test_a_bad_option_is_told_in_one_line(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, "place-order", *ORDER, *arguments) == (2, f"error: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("place-order", "--item", "A=1@1"),
            "give --customer, --card, --ship-to too, or the whole order with --file",
        ),
        (
            ("orders", "--status", "done"),
            (
                "--status 'done': give one of running, paused, compensating, stuck,"
                " completed, compensated, terminated"
            ),
        ),
        (("orders", "--limit", "0"), f"{LIMIT} greater than or equal to 1"),
        (("orders", "--limit", "1001"), f"{LIMIT} less than or equal to 1000"),
        (("status", "a b"), f"ID: {LETTERS} (got 'a b')"),
        (("status",), "Missing argument 'ID'."),
        (("cancel", "o-1"), "Missing option '--reason'."),
        (("cancel", "o-1", "--reason", ""), "--reason: must not be empty (got '')"),
        (("cancel", "o-1", "--reason", "x", "--by", " "), "--by: must not be empty (got ' ')"),
        (
            ("cancel", "o-1", "--reason", "x", "--timeout", "1d"),
            "--timeout '1d': write it like 90, 90s, 10m or 2h",
        ),
        (("status", "o-1", "--type", "tr'ip"), f'--type: {LETTERS} (got "tr\'ip")'),
        (("sagas", "--type", ""), "--type: must not be empty (got '')"),
        (("stuck", "--limit", "0"), f"{LIMIT} greater than or equal to 1"),
        (("pause", "o-1"), "Missing option '--reason'."),
        (("recover", "o-1"), "Missing option '--reason'."),
        (
            ("resume", "o-1", "--reason", "a\udce9"),
            r"--reason: must be a text in the terminal's encoding (got 'a\udce9')",
        ),
        (("repair", "o-1", "--retry", "--reason", "x"), "Missing option '--step'."),
        ((*REPAIR,), "give exactly one of --retry, --skip and --with"),
        ((*REPAIR, "--retry", "--skip"), "give exactly one of --retry, --skip and --with"),
        (
            (*REPAIR, "--skip", "--with", "{}"),
            "give exactly one of --retry, --skip and --with",
        ),
        (
            (*REPAIR, "--with", "[1]"),
            f"--with: no changes: it must be one JSON object; {LIKE}",
        ),
        (
            (*REPAIR, "--with", '{"a": 1'),
            f"--with: no JSON: Expecting ',' delimiter in line 1, column 8; {LIKE}",
        ),
        (
            (*REPAIR, "--with", '{"a": 1, "a": 2}'),
            f"--with: no changes: 'a' stands twice in one object; {LIKE}",
        ),
        (
            (*REPAIR, "--with", '{"a": NaN}'),
            f"--with: no changes: NaN is no number; {LIKE}",
        ),
        (
            (*REPAIR, "--with", '{"a": 1e999}'),
            f"--with: no changes: a number in it has too many digits; {LIKE}",
        ),
        ((*REPAIR, "--with", r'{"a": "\ud800"}'), UNSENDABLE),
        ((*REPAIR, "--with", '{"a":' + "[" * 400 + "]" * 400 + "}"), UNSENDABLE),
        (("ship",), "No such command 'ship'."),
    ],
)
def test_a_wrong_command_is_told_in_one_line(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, *arguments) == (2, f"error: {message}\n")


def test_a_setting_that_is_wrong_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READ_DATABASE_URL", "mysql://db/orders")
    message = "error: READ_DATABASE_URL: mysql is neither sqlite nor postgresql\n"
    assert told(capsys, "orders") == (2, message)


TRIP = '"trip_id": "1", "hotel": "h", "flight": "f"}'


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (
            "7",
            "BookTrip came in schema version 7, and this code knows 1: nothing was done with it;",
        ),
        ("0", "COMMAND: schema_version is a whole number from 1 on, not 0"),
    ],
)
def test_a_command_of_a_version_that_is_not_known_starts_nothing(
    capsys: pytest.CaptureFixture[str], version: str, message: str
) -> None:
    code, err = told(capsys, "start", "examples.trip", f'{{"schema_version": {version}, {TRIP}')
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"error: {message}")
