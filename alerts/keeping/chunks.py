"""How long a chunk of positions is: as much as memory holds of it, as little as is worth a chunk of its own."""

from datetime import timedelta

from alerts.store import AlertDatabase

# About 4 GB with its indexes: TimescaleDB advises that the chunks that are written fit into a quarter of the memory.
ROWS_MAX = 25_000_000
LENGTHS_H = (168, 24, 6, 1)  # tried in turn; a week where little comes, because old recordings have few rows a day
RATE = """
select coalesce(sum(positions), 0)::float8 as n from tally_position_hour where bucket >= now() - interval '26 hours'
"""
LENGTH = """
select time_interval from timescaledb_information.dimensions
where hypertable_schema = current_schema() and hypertable_name = 'position'
"""


def chunk_h(rows_per_day: float) -> int:
    """Length of a chunk in hours at this rate; the shortest where even that holds too much. Pure."""
    return next((hours for hours in LENGTHS_H if rows_per_day * hours / 24 <= ROWS_MAX), LENGTHS_H[-1])


def fit_chunks(database: AlertDatabase) -> int:
    """Make the next chunks of positions as long as the last day says; 1 where that changed, else 0. Raises SinkError.

    For a database with TimescaleDB. Where that counts positions by itself (Community) the tally says
    nothing, and a week stays.
    """
    with database.transaction() as conn:
        rate, length = conn.execute(RATE).fetchone(), conn.execute(LENGTH).fetchone()
        if rate is None or length is None:
            return 0
        wanted = timedelta(hours=chunk_h(rate["n"]))
        if length["time_interval"] == wanted:
            return 0
        conn.execute("select set_chunk_time_interval('position', %s::interval)", (wanted,))
    return 1
