"""The reference service: a small, complete example of a tenant-safe HTTP service with one PostgreSQL schema per tenant.

It imports nothing of this project outside its own package, so that it may be copied as a whole. Start it with
``python -m capliquify_ops.reference.service --settings FILE``.
"""
