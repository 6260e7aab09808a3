"""Box: stakeholder approval.

People approve, nothing here can: the box has no check. This file says so where one looks for it.
"""
