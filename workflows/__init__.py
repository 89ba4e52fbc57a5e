"""The sagas: each file tells one story."""
