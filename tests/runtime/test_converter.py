"""What a payload converter has learned of models is there for the next one."""

from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter
from temporalio.converter import DataConverter

from runtime.codec import data_converter
from runtime.settings import Settings
from saga import SagaPlugin


class Told(BaseModel):
    """A payload."""

    text: str


def read_anew(converter: DataConverter) -> Told:
    """Write and read a payload as the SDK does for each activity: by a converter of its own."""
    own = converter.payload_converter_class()
    [payload] = own.to_payloads([Told(text="so")])
    [told] = own.from_payloads([payload], [Told])
    assert isinstance(told, Told)
    return told


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The types that validators are built for."""
    kinds: list[object] = []
    build = TypeAdapter.__init__

    def listening(self: TypeAdapter[Any], kind: Any) -> None:
        kinds.append(kind)
        build(self, kind)

    monkeypatch.setattr(TypeAdapter, "__init__", listening)
    return kinds


def test_a_client_of_the_settings_builds_a_validator_once(
    settings: Settings, built: list[object]
) -> None:
    converter = data_converter(settings)
    assert [read_anew(converter).text for _ in range(3)] == ["so"] * 3
    assert built.count(Told) <= 1


def test_so_does_a_client_that_has_only_the_plugin(built: list[object]) -> None:
    config = SagaPlugin().configure_replayer({})
    assert config["data_converter"] is not None
    for _ in range(3):
        read_anew(config["data_converter"])
    assert built.count(Told) <= 1
