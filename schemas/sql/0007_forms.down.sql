drop index dead_letter_device;
drop index dead_letter_same;
alter table dead_letter drop column last_at;
alter table dead_letter drop column times;
alter table position drop column extra;
alter table position drop column raw_speed;
alter table position drop column form;
