alter table incident drop column left_at;
