"""How many claims each release has, kept by the database itself."""

from tortoise.migrations import Migration as Base

from app.migrations._script import script


class Migration(Base):
    """Counts what is there, and has every claim that comes or ends counted with it."""

    dependencies = [("bindery", "m0012_cohort_devices")]
    operations = [script(__file__, by_dialect=True)]
