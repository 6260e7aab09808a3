"""The reference stack: an embedded PostgreSQL, the service under test and what supervises them."""
