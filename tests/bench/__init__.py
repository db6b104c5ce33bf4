"""The benchmark's own tests: what it loads, asks, counts and says."""
