"""What arrives at the socket: half-open connections, and later bytes that are no HTTP."""
