"""Numbered SQL migrations, run in order by curbwatch.database."""
