"""What breaks the promise here: broker, database, queue and this machine looked at, each finding with its remedy."""
