"""Chance without luck: what strikes a share of many strikes always the same ones."""

import hashlib


def percentile(text: str) -> int:
    """Return a number from 0 to 99 that depends on the text alone, each as likely as the others."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) % 100
