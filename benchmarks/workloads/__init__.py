"""What is measured; each workload is a function from the bench to its result."""
