"""The disposable copy on disk: the archive file filling in, and the journal of what of it is proven."""
