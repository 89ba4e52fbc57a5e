"""The adapter for Kafka 2.4 and newer, and for what speaks its protocol."""

from brokers.kafka.broker import KafkaBroker

__all__ = ["KafkaBroker"]
