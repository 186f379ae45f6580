"""`python -m streamzip`: the command line, where its script is not on the path."""

from streamzip.cli import main

if __name__ == "__main__":
    main()
