"""The adapter for RabbitMQ 3.9 and newer, which have streams; no plugin is needed."""

from brokers.rabbitmq.broker import RabbitBroker

__all__ = ["RabbitBroker"]
