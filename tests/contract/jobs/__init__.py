"""What every dispatcher of queued work keeps to."""
