"""`python -m usagedeck` is `usagedeck`."""

from usagedeck.cli import main

main()
