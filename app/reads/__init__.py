"""Questions over several rows. Nothing here writes."""
