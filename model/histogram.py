"""Log-linear buckets for durations: mergeable, at most 1 % relative error.

Like HdrHistogram: a value of v microseconds keeps its 7 leading bits. Below 128 µs buckets are exact; above, each
power of two is cut in 64 equal buckets, so a bucket is at most 1/64 as wide as its values and its midpoint at most
0.8 % off.
"""

import struct
from array import array
from collections import Counter
from collections.abc import Iterable
from functools import cache

_BITS = 6


def bucket_of(seconds: float) -> int:
    """Return the bucket number of a duration in seconds (negative counts as 0)."""
    return _bucket_of_micros(int(seconds * 1e6))


def _bucket_of_micros(micros: int) -> int:
    if micros < 128:
        return max(micros, 0)
    shift = micros.bit_length() - 7
    return (shift << _BITS) + (micros >> shift)


def seconds_of(bucket: int) -> float:
    """Return the midpoint of a bucket in seconds."""
    if bucket < 128:
        return bucket / 1e6
    shift = (bucket >> _BITS) - 1
    return (((bucket & 63) + 64 << shift) + (1 << shift) / 2) / 1e6


def upper_of(bucket: int) -> float:
    """Return the upper edge of a bucket in seconds: no value in it is larger."""
    if bucket < 128:
        return (bucket + 1) / 1e6
    shift = (bucket >> _BITS) - 1
    return ((bucket & 63) + 65 << shift) / 1e6


def counts_of(durations: Iterable[float]) -> dict[int, int]:
    """Count durations in seconds by their buckets, many at once: what ``bucket_of`` says of each.

    A binary64 number has its exponent and leading bits in front, so its upper 18 bits name a bucket or a part of one.
    """
    bits = memoryview(array("d", [seconds * 1e6 for seconds in durations])).cast("B").cast("Q")
    counts: dict[int, int] = {}
    for leading, count in Counter([word >> _REST for word in bits]).items():
        bucket = _bucket_of_leading(leading)
        counts[bucket] = counts.get(bucket, 0) + count
    return counts


_REST = 52 - _BITS
"""Bits of a binary64 number behind those that name its bucket."""


@cache
def _bucket_of_leading(leading: int) -> int:
    (micros,) = struct.unpack("<d", struct.pack("<Q", leading << _REST))
    return _bucket_of_micros(int(micros))
