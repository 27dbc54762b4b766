"""What the load engine costs and how well it keeps time, beside other tools, in one run on one machine.

`python -m benchmarks [--quick]`: see docs/benchmarks.md.
"""
