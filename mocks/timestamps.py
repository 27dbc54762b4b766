"""Moments as systems tell them to each other: ``yyyyMMddHHmmss`` [P], by the clock of Vietnam.

Ours add the fraction of the second, which the real interfaces leave out [A]: the sync lag is measured from it.
"""

from datetime import datetime, timedelta, timezone
from typing import Annotated

import msgspec

CLOCK = timezone(timedelta(hours=7))
PATTERN = r"^20[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])([01][0-9]|2[0-3])([0-5][0-9]){2}(\.[0-9]{1,6})?$"
WHOLE = len("yyyyMMddHHmmss")

Timestamp = Annotated[str, msgspec.Meta(pattern=PATTERN, max_length=21, examples=["20250701080000"])]
"""``20250701080000``, or with a fraction ``20250701080000.123456``."""


def timestamp(seconds: float) -> str:
    """Return Unix seconds as a timestamp, to the microsecond."""
    time = datetime.fromtimestamp(seconds, CLOCK)
    return f"{time:%Y%m%d%H%M%S}.{time.microsecond:06d}"


def unix_seconds(timestamp: str) -> float:
    """Return a timestamp's Unix seconds; raises ValueError for a day that its month doesn't have."""
    day, time = timestamp[:8], timestamp[8:WHOLE]
    microsecond = int(timestamp[WHOLE + 1 :].ljust(6, "0"))
    parts = (int(day[:4]), int(day[4:6]), int(day[6:]), int(time[:2]), int(time[2:4]), int(time[4:]))
    return datetime(*parts, microsecond, CLOCK).timestamp()
