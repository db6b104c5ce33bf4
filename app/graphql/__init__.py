"""Door 1, GraphQL: translation only."""
