"""The dev server of the command line's tests, and shops there."""

from tests.cli.conftest import closed_shop, own_shop, server, shop

__all__ = ["closed_shop", "own_shop", "server", "shop"]
