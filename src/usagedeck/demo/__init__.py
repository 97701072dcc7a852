"""The demo: a fictional month of API traffic with the measured shape of real traffic, and its continuation while it runs."""
