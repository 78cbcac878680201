alter table action_key drop column content;
