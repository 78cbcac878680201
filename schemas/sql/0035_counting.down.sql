-- Who does not know that there are two ways would report these as counted by the first: they are closed anew when asked for.
delete from kpi_period where counting > 1;
alter table kpi_period drop column counting;
