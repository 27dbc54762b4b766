"""A Toxiproxy server in Python, for machines without the real one: ``python -m faults.embedded``.

API and behaviour are those of the real one, at v2.12.0; what differs is in ``DIVERGENCES.md`` beside this file.
"""
