"""What citizens, officers and systems do. Everything that runs under gevent is here, and nothing else is.

`schedule`, `personas`, `catalogue` and `journeys` are plain Python; the rest needs gevent.
"""
