"""The story of `make demo`, and the scaffolding that it shares with the benchmarks."""
