"""Shops of the command line's tests, and the read model's databases."""

from tests.cli.conftest import closed_shop, own_shop, server, shop
from tests.read_model.conftest import backend, database_url, empty, engine

__all__ = [
    "backend",
    "closed_shop",
    "database_url",
    "empty",
    "engine",
    "own_shop",
    "server",
    "shop",
]
