"""The programs that are compared, each with what starts it, and the origins that they pull from."""
