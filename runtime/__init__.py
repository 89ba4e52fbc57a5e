"""Settings, the Temporal connection, the embedded default and telemetry."""
