"""The messages of the order saga: commands, domain events and integration events."""
