"""The way to the outside: publishing integration events."""
