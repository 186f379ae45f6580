"""The images of a web page as an archive."""
