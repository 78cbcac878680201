-- By which rules the cases of a closed period were counted (schemas/kpi.py, COUNTING): its report is by them for ever.
alter table kpi_period add column counting smallint not null default 1 check (counting >= 1);
alter table kpi_period alter column counting drop default;
