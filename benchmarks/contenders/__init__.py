"""The same order saga by several engines, each a process of its own that `benchmarks.compare` asks.

Only `ours.py` and `bare_sdk.py` import more than this folder: the others run in a venv that has
not the project in it.
"""
