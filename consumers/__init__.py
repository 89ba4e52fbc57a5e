"""What comes in over the brokers: commands that start sagas."""
