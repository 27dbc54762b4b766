"""Exit codes; `reports.judge.exit_code` gives those of a verdict (0 pass, 1 fail, 3 inconclusive)."""

PASS = 0
FAIL = 1
USAGE = 2
BROKEN = 4
INTERRUPTED = 130
