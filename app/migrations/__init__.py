"""The history of the tables. Forward only; each step is SQL that SQLite and PostgreSQL both accept."""
