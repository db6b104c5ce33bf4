from tests.worker.databases import opened

__all__ = ["opened"]
