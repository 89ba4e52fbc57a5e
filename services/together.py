"""Several services in one process: their options, and where each listens."""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from fastapi import FastAPI

from services.server import Listener, database_url


def command_line(
    module: str, description: str | None, ports: Mapping[str, int], *, folder: str = "."
) -> argparse.ArgumentParser:
    """The options of a module that runs services, each with its usual port.

    `folder`: within SAGA_HOME, for the SQLite files.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--host", default="127.0.0.1")
    for name, port in ports.items():
        parser.add_argument(f"--{name}-port", type=int, default=port, help="default: %(default)s")
    parser.add_argument(
        "--home",
        type=Path,
        default=Path(os.environ.get("SAGA_HOME", ".saga")) / folder,
        help="folder of the SQLite files; $<SERVICE>_DATABASE_URL comes before it",
    )
    return parser


def database_urls(services: Sequence[str], options: argparse.Namespace) -> dict[str, str]:
    """The URL of each service's database, by the options or the environment."""
    return {name: database_url(name.replace("-", "_"), options.home) for name in services}


def listeners(apps: Mapping[str, FastAPI], options: argparse.Namespace) -> list[Listener]:
    """Each application at the port that its option says."""
    ports = vars(options)
    return [
        Listener(app, options.host, ports[f"{name.replace('-', '_')}_port"])
        for name, app in apps.items()
    ]
