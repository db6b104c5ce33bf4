"""A fleet of up to 1,000,000 devices that poll two servers and a worker on PostgreSQL."""
