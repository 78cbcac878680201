"""How a link to the database is watched, in libpq's names: every connection is opened with these."""

# A server that no longer answers, its host cut off or gone, is noticed in 10 s, and not after the kernel's quarter of
# an hour (something was sent) or two hours (nothing was, as on a connection that listens).
DATABASE_LINK = {
    "connect_timeout": 10,  # s
    "tcp_user_timeout": 10_000,  # ms
    "keepalives_idle": 5,  # s
    "keepalives_interval": 2,  # s
    "keepalives_count": 2,
}
