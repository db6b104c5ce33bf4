"""Objects that clients send to a bucket themselves."""

from tortoise.migrations import Migration as Base

from app.migrations._script import script


class Migration(Base):
    """Creates the table of uploads to a bucket."""

    dependencies = [("bindery", "m0005_scrubbing")]
    operations = [script(__file__)]
