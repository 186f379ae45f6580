"""Kernel locks, and file work done aside of the event loop."""
