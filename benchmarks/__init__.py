"""Measurements of the order saga, and what they and the demo need: a worker, and its books."""
