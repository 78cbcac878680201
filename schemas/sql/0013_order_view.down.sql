alter table vision_order drop column preset;
alter table vision_adoption drop column preset;
