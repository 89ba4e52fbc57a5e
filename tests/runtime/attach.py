"""Attaches to the embedded server of its environment, says so, and stays until it is killed."""

import asyncio

from runtime.dev_server import temporal_server
from runtime.embedded import Embedded
from runtime.settings import Settings


async def main() -> None:
    settings = Settings.from_environment()
    async with Embedded(settings, [temporal_server(settings)]):
        print("attached", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
