"""The issues of the runbook: what is wrong, since when, whom it concerns, why, and what to do next. Read-only."""
