"""The order saga without an orchestrator: four services that react to each other's events."""
