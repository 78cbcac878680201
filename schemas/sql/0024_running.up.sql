-- Lists of incidents ask each for its running clocks: by this they read no row of the table (docs/queries.md).
create index incident_clock_running on incident_clock (incident_id) include (due_at, yellow_at)
    where ended_at is null and not paused and due_at is not null;
