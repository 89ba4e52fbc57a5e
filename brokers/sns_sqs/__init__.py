"""The adapter for Amazon SNS and SQS: a FIFO topic per channel, a FIFO queue per group."""

from brokers.sns_sqs.broker import SnsSqsBroker

__all__ = ["SnsSqsBroker"]
