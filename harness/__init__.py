"""The command line and the conductor: the one place that knows all the others."""
