"""`python -m lrinterp`: the command line."""

from lrinterp.cli import main

main()
