"""Exit codes of `thongsuot run` and `thongsuot judge`."""

PASS = 0
FAIL = 1
USAGE = 2
INCONCLUSIVE = 3
BROKEN = 4
INTERRUPTED = 130
