"""What to pack: the accepted, immutable list, its names, its hash and its signature. Pure: no I/O, no clock."""
