"""What is allowed. Pure functions over frozen facts: no await, no I/O, no database."""
