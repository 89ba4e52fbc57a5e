import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec
from temporalio.service import GrpcCompression
from temporalio.testing import WorkflowEnvironment
from typing_extensions import override

from runtime.codec import data_converter
from runtime.connection import compression, connect, temporal_configured
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


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("nowhere.codec:Codec", "can't be imported"),
        ("runtime.codec:Nothing", "can't be imported"),
        ("runtime.settings:Settings", "is no PayloadCodec"),
    ],
)
def test_a_codec_that_cannot_be_had_is_told(settings: Settings, named: str, why: str) -> None:
    with pytest.raises(SettingsError, match=f"SAGA_PAYLOAD_CODEC: {named} {why}"):
        data_converter(settings.model_copy(update={"saga_payload_codec": named}))


def test_a_codec_is_taken_by_its_name(settings: Settings) -> None:
    named = f"{Plain.__module__}:{Plain.__name__}"
    converter = data_converter(settings.model_copy(update={"saga_payload_codec": named}))
    assert type(converter.payload_codec).__name__ == Plain.__name__
    assert data_converter(settings).payload_codec is None


class Plain(PayloadCodec):
    """Encodes nothing."""

    @override
    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    @override
    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


@pytest.mark.parametrize(
    "address", ["localhost:7233", "127.0.0.1:7233", "127.8.0.1:1", "[::1]:7233"]
)
def test_nothing_is_compressed_on_the_way_to_this_machine(address: str) -> None:
    assert compression(address) is GrpcCompression.NONE


@pytest.mark.parametrize(
    "address", ["temporal:7233", "10.0.0.1:7233", "ns.tmprl.cloud:7233", "[2001:db8::1]:7233", "x"]
)
def test_what_goes_over_a_network_is_compressed(address: str) -> None:
    assert compression(address) is GrpcCompression.GZIP
