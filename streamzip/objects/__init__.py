"""Objects: finished copies in a bucket that all gateways of a store read."""
