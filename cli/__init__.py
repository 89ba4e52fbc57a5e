"""The command line: place an order, look at it, list orders, cancel one."""
