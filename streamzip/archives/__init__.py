"""Many archives: what is known of them, and who watches them."""
