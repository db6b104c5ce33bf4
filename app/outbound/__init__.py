"""What this server sends to others: it looks up their names, and connects to what was judged."""
