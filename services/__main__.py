"""All four services in one process, each on its own port and its own database."""

import argparse
import sys

from services import inventory, order, payment, shipping
from services.server import Listener, run
from services.together import command_line, database_urls, listeners

_PORTS = {"order": 8001, "payment": 8002, "inventory": 8003, "shipping": 8004}


def main() -> int:
    """Serve the four services."""
    parser = command_line("services", __doc__, _PORTS)
    parser.add_argument("--faults", action="store_true", help="serve the fault switches")
    inventory.add_seed_option(parser)
    options = parser.parse_args()
    return run(lambda: _services(options))


def _services(options: argparse.Namespace) -> list[Listener]:
    faults: bool = options.faults
    urls = database_urls(list(_PORTS), options)
    apps = {
        "order": order.create_app(urls["order"], faults=faults),
        "payment": payment.create_app(urls["payment"], faults=faults),
        "inventory": inventory.create_app(
            urls["inventory"], faults=faults, stock=inventory.stock_of(options)
        ),
        "shipping": shipping.create_app(urls["shipping"], faults=faults),
    }
    return listeners(apps, options)


if __name__ == "__main__":
    sys.exit(main())
