"""The embedded participants: the four reference services in one process, `-m services`."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

from runtime.processes import EmbeddedProcess, Port, Ports
from runtime.settings import Settings

_PREFERRED = {"order": 8001, "payment": 8002, "inventory": 8003, "shipping": 8004}
_PROJECT = Path(__file__).resolve().parent.parent


def participant_services(settings: Settings, *, faults: bool = False) -> EmbeddedProcess:
    """The reference services for these settings; `faults` makes them fail on purpose."""

    async def argv(ports: Ports) -> Sequence[str]:
        return [
            *(sys.executable, "-m", "services"),
            *(part for name in ports for part in (f"--{name}-port", str(ports[name]))),
            *("--home", str(settings.saga_home)),
            *(("--faults",) if faults else ()),
        ]

    return EmbeddedProcess(
        name="services",
        ports={name: Port(port) for name, port in _PREFERRED.items()},
        argv=argv,
        healthy=all_answer,
        cwd=_PROJECT,
    )


async def all_answer(ports: Ports) -> bool:
    """Whether `GET /healthz` answers 200 on each of the ports within a second."""
    # Plain HTTP to this machine: no proxy takes part, and loading certificates costs 40 ms.
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=1.0) as client:  # noqa: S501

        async def answers(port: int) -> bool:
            try:
                response = await client.get(f"http://127.0.0.1:{port}/healthz")
            except httpx.TransportError:
                return False
            return response.status_code == 200

        return all(await asyncio.gather(*(answers(port) for port in ports.values())))
