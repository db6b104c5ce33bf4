"""Webhooks, and the outbox of events that are sent to them."""

from tortoise.migrations import Migration as Base

from app.migrations._script import script


class Migration(Base):
    """Has the database itself write down what is to be sent, with each event."""

    dependencies = [("bindery", "m0008_alike")]
    operations = [script(__file__), script(__file__, by_dialect=True)]
