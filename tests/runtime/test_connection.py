import socket
import time
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from runtime.connection import connect, temporal_configured
from runtime.errors import ServerUnreachable, SettingsError
from runtime.settings import Settings
from tests.binaries import DEV_SERVER


@pytest.mark.asyncio
async def test_nothing_listens(settings: Settings) -> None:
    started = time.monotonic()

    with pytest.raises(ServerUnreachable) as caught:
        await connect(settings)

    assert time.monotonic() - started < 4
    assert f"localhost:{settings.saga_temporal_port}" in str(caught.value)
    assert "TEMPORAL_ADDRESS" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.asyncio
async def test_something_accepts_and_stays_silent(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
        started = time.monotonic()

        with pytest.raises(ServerUnreachable, match=address):
            await connect(settings)

        assert time.monotonic() - started < 4


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"TEMPORAL_CONFIG_FILE": "missing.toml"},
            r"TEMPORAL_CONFIG_FILE: no file at missing.toml",
        ),
        ({"TEMPORAL_CONFIG_FILE": "broken.toml"}, "TOML parse error"),
        ({"TEMPORAL_PROFILE": "nobody"}, "Profile 'nobody' not found"),
        ({"TEMPORAL_API_KEY": "key"}, "set TEMPORAL_ADDRESS"),
        ({"TEMPORAL_ADDRESS": "not an address"}, "give host:port"),
    ],
)
async def test_a_wrong_configuration_is_one_line(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variables: dict[str, str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.toml").write_text("[[[")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=message) as caught:
        await connect(settings)

    assert "\n" not in str(caught.value)


@pytest.mark.asyncio
async def test_a_namespace_that_is_not_there(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=DEV_SERVER) as server:
        address = server.client.service_client.config.target_host
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
        assert (await connect(settings)).namespace == "default"

        monkeypatch.setenv("TEMPORAL_NAMESPACE", "orders")
        with pytest.raises(SettingsError, match=f"no namespace orders at {address}: correct"):
            await connect(settings)


def test_temporal_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not temporal_configured()

    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.internal:7233")
    assert temporal_configured()

    monkeypatch.delenv("TEMPORAL_ADDRESS")
    file = tmp_path / "temporal.toml"
    file.write_text('[profile.default]\naddress = "temporal.internal:7233"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    assert temporal_configured()
