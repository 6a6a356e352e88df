"""`python -m lakeloop.cli` is the command `lakeloop`."""

from lakeloop.cli import main

main()
