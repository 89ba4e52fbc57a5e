"""The HTTP API: a side that places orders and a side that answers from the read database.

Neither knows the other; `api.application` puts them together.
"""
