"""Let ``python -m dagnn`` be the ``dagnn`` command."""

from dagnn.cli import main

if __name__ == "__main__":
    main()
