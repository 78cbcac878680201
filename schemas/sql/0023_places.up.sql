-- Places that turned out to be one are asked for together; and what somebody told of and no camera has seen.
create index site_own on site ((coalesce(same_as, site_id)));
create index incident_told_of on incident (family) where opening_id is null;
