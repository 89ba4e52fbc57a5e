"""How payloads are written as JSON and read as models: by pydantic, with one set of converters.

The SDK makes a payload converter anew for each workflow task and each activity, as it might be
bound to one. Pydantic's would each time begin without the validators that the one before has built.
"""

from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter

_CONVERTERS = tuple(PydanticPayloadConverter().converters.values())


class SharedPydanticConverter(CompositePayloadConverter):
    """Pydantic's payload converter, whose parts all instances share."""

    def __init__(self) -> None:
        """Take what is there."""
        super().__init__(*_CONVERTERS)


shared_pydantic_converter = DataConverter(payload_converter_class=SharedPydanticConverter)
"""The data converter of all clients that are not given another one."""
