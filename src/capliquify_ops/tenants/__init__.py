"""Tenants: what the registry says, what the catalogue holds, and the verbs that change both."""
