"""Who is let in, how often, and the links that they are given."""
