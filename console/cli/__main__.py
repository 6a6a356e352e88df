"""`python -m console.cli` is the command `lakeloop`."""

from console.cli import main

main()
