"""What this process is given of the machine: workers, descriptors, memory."""
