from tests.worker.databases import database_url, opened, postgres_server

__all__ = ["database_url", "opened", "postgres_server"]
