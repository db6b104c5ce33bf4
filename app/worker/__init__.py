"""Door 3, time: actions that the server calls by itself, again and again."""
