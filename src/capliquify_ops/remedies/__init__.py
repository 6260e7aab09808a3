"""What can be repaired among the faults that checks find: plans, which are pure, and their application."""
