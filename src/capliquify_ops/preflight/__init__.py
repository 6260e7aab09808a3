"""Before anything is measured: is this the target that was meant, does it answer, and what does it grant."""
