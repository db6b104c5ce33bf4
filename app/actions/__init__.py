"""Every write: one function per thing that a caller may do, each one transaction."""
