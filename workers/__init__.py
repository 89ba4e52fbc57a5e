"""Temporal workers: what each of them registers, and on which task queue."""
