"""Which URLs and addresses may be named: pure, and below everything that names or dials one."""
