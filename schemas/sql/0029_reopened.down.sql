alter table incident drop column reopened_at;
