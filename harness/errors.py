"""What ends a command early."""


class UsageError(Exception):
    """The command or campaign file can't be used: exit code 2, nothing was started."""


class HarnessError(Exception):
    """The harness itself broke: exit code 4, everything started is stopped."""
