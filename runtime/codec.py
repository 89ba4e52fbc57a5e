"""The data converter of every client: pydantic's, with the codec that the settings name."""

import dataclasses
import importlib
from collections.abc import Iterator
from contextlib import contextmanager

from temporalio.converter import DataConverter, PayloadCodec

from runtime.converter import shared_pydantic_converter
from runtime.errors import SettingsError, Undecodable
from runtime.settings import Settings


def data_converter(settings: Settings) -> DataConverter:
    """How payloads are written and read; raises SettingsError for a codec that can't be had."""
    if settings.saga_payload_codec is None:
        return shared_pydantic_converter
    codec = _codec(settings.saga_payload_codec)
    return dataclasses.replace(shared_pydantic_converter, payload_codec=codec)


def _codec(named: str) -> PayloadCodec:
    module, _, name = named.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"SAGA_PAYLOAD_CODEC: {named} can't be imported: {error}") from error
    codec = found() if isinstance(found, type) else found
    if not isinstance(codec, PayloadCodec):
        raise SettingsError(
            f"SAGA_PAYLOAD_CODEC: {named} is no PayloadCodec: name one, as in keys.codec:Encrypted"
        )
    return codec


@contextmanager
def decoding(of: str) -> Iterator[None]:
    """Decode in this block, and nothing else; raises Undecodable, as a codec may raise anything."""
    try:
        yield
    except Exception as error:
        raise Undecodable(of, error) from error
