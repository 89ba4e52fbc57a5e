from pathlib import Path

import pytest

from runtime.errors import HomeNotWritable, SettingsError
from runtime.settings import Settings, prepare_home


def test_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    settings = Settings.from_environment()

    assert settings.saga_home == tmp_path / ".saga"
    assert settings.read_database_url == f"sqlite:///{tmp_path}/.saga/read.db"
    assert set(settings.service_urls.values()) == {None}
    assert settings.event_broker_url is None
    assert settings.saga_task_queue == "sagas"
    assert (settings.saga_temporal_port, settings.saga_ui_port) == (7233, 8233)


def test_read_database_lies_in_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_HOME", "/var/lib/saga")

    assert Settings.from_environment().read_database_url == "sqlite:////var/lib/saga/read.db"


def test_empty_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ORDER_SERVICE_URL", "SAGA_TASK_QUEUE", "SAGA_UI_PORT", "READ_DATABASE_URL"):
        monkeypatch.setenv(name, "")

    settings = Settings.from_environment()

    assert settings.order_service_url is None
    assert settings.saga_task_queue == "sagas"
    assert settings.saga_ui_port == 8233
    assert settings.read_database_url.startswith("sqlite:///")


def test_a_service_url_is_a_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDER_SERVICE_URL", " https://orders.internal/api/ ")

    assert Settings.from_environment().service_urls["order"] == "https://orders.internal/api"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAGA_TEMPORAL_PORT", "seven"),
        ("SAGA_UI_PORT", "70000"),
        ("ORDER_SERVICE_URL", "orders:8001"),
        ("PAYMENT_SERVICE_URL", "http://host:notaport"),
        ("READ_DATABASE_URL", "read.db"),
        ("EVENT_BROKER_URL", "kafka"),
        ("SAGA_LOG_LEVEL", "LOUD"),
    ],
)
def test_a_bad_value_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as caught:
        Settings.from_environment()

    assert str(caught.value).startswith(f"{name}: ")
    assert str(caught.value).endswith("(or unset it for the default)")
    assert "\n" not in str(caught.value)
    assert "Value error" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_every_bad_value_is_named_and_none_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_UI_PORT", "x")
    monkeypatch.setenv("READ_DATABASE_URL", "user:secret@host/db")

    with pytest.raises(SettingsError, match=r"READ_DATABASE_URL.*SAGA_UI_PORT") as caught:
        Settings.from_environment()

    assert "secret" not in str(caught.value)


def test_the_home_is_the_owners(settings: Settings) -> None:
    assert prepare_home(settings).stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SAGA_HOME", str(tmp_path / "file" / "home"))

    with pytest.raises(HomeNotWritable, match="set SAGA_HOME to a folder"):
        prepare_home(Settings.from_environment())
