"""A Toxiproxy server in Python, for machines without the real one: ``python -m faults.embedded``.

API and behaviour are those of the real one, at v2.12.0. Where that would crash, this one answers 400. It dials upstreams side by side, the real one in turn.
"""
