"""The read side: one row per saga of any type, written by the projection, read by people."""
