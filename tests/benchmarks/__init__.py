"""How fast magent is, each row beside its floor in the same run: `python -m tests.benchmarks [ROW…] [--peers]`.

The floor is no product: it is asyncio with one task a node and, where the row is durable, one JSON line appended and
synced a node (a fan-out: one write and one sync for all). Machines are noisy; what counts is the ratio inside one run.

Modules, in order: table · measure · work · floors · engine (rows in this process) · processes (rows of whole
processes) · rows (the table of rows) · peers · __main__.
"""
