"""One archive filling in: what is known of it, who wants what, and how it comes to be there."""
