"""Door 2: bytes in and out, and whether the server is well. GraphQL never carries bytes."""
