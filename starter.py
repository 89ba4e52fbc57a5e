"""The command line: `python starter.py --help`."""

from cli.process import main

if __name__ == "__main__":
    main()
