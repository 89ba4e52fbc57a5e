"""The command line: place an order; look at sagas of any type, and steer them."""
