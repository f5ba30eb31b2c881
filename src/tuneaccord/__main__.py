"""``python -m tuneaccord`` is the command line."""

from tuneaccord.cli import main

if __name__ == "__main__":
    main()
