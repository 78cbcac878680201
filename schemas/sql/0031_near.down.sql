-- The old key holds one word for a place, a family and an urgency: the longest.
delete from site_quiet q using site_quiet o
where (o.site_id, o.family, o.urgent) = (q.site_id, q.family, q.urgent)
    and (o.until, o.quiet_id) > (q.until, q.quiet_id);
drop index site_quiet_incident, site_quiet_site;
alter table site_quiet
    drop column quiet_id, drop column incident_id, drop column lon, drop column lat, drop column camera_id,
    drop column box_px;
alter table site_quiet add primary key (site_id, family, urgent);
drop index site_joined, incident_camera, incident_place;
