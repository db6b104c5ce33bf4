"""The real server under faults: what it acknowledged must be there, what it destroyed gone."""
