"""Whole lifecycles against a real server, without mocks: `make journey`."""
