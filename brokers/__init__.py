"""Messages between services: the envelope, the catalogue, and brokers behind one port."""
