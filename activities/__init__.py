"""What the sagas' workflows do in the world: calls to participants, projection, publication."""
