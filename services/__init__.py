"""Four reference participants: order, payment, inventory, shipping, each an HTTP service.

They stand for systems that other teams own: each has its own database, knows nothing of sagas or
of the other three, and promises its callers one thing beyond its domain, the barrier of
`services.barrier`.
"""
