"""Log-linear buckets for durations: mergeable, at most 1 % relative error.

Like HdrHistogram: a value of v microseconds keeps its 7 leading bits. Below 128 µs buckets are exact; above, each
power of two is cut in 64 equal buckets, so a bucket is at most 1/64 as wide as its values and its midpoint at most
0.8 % off.
"""

_BITS = 6


def bucket_of(seconds: float) -> int:
    """Return the bucket number of a duration in seconds (negative counts as 0)."""
    micros = int(seconds * 1e6)
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
