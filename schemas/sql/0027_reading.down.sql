drop index incident_open_unit;
drop index job_unit;
create index job_unit on job (unit_id, state);

create table kpi_fact (
    first_day date not null,
    last_day date not null,
    kind text not null check (kind in ('case', 'camera')),
    key text not null,                                  -- incident id or camera id
    fact jsonb not null,                                -- schemas/kpi.py, Fact
    primary key (first_day, last_day, kind, key),
    foreign key (first_day, last_day) references kpi_period
);
insert into kpi_fact (first_day, last_day, kind, key, fact)
select p.first_day, p.last_day, line.told ->> 0, line.told -> 1 ->> 'key', line.told -> 1
from kpi_period p, unnest(string_to_array(p.facts, E'\n')) each,
    lateral (select each::jsonb as told) line
where each <> '';
alter table kpi_period drop column facts;
