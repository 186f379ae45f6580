"""Files that were sent to the gateway and are kept."""
