"""All four services in one process, each on its own port and its own database."""

import argparse
import os
import sys
from pathlib import Path

from services import inventory, order, payment, shipping
from services.server import Listener, database_url, run

_PORTS = {"order": 8001, "payment": 8002, "inventory": 8003, "shipping": 8004}


def main() -> int:
    """Serve the four services."""
    options = _parser().parse_args()
    home: Path = options.home

    def listeners() -> list[Listener]:
        faults: bool = options.faults
        apps = {
            "order": order.create_app(database_url("order", home), faults=faults),
            "payment": payment.create_app(database_url("payment", home), faults=faults),
            "inventory": inventory.create_app(
                database_url("inventory", home), faults=faults, stock=inventory.stock_of(options)
            ),
            "shipping": shipping.create_app(database_url("shipping", home), faults=faults),
        }
        ports = vars(options)
        return [Listener(app, options.host, ports[f"{name}_port"]) for name, app in apps.items()]

    return run(listeners)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    for name, port in _PORTS.items():
        parser.add_argument(f"--{name}-port", type=int, default=port, help="default: %(default)s")
    parser.add_argument(
        "--home",
        type=Path,
        default=Path(os.environ.get("SAGA_HOME", ".saga")),
        help="folder of the SQLite files; $<SERVICE>_DATABASE_URL comes before it",
    )
    parser.add_argument("--faults", action="store_true", help="serve the fault switches")
    inventory.add_seed_option(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
