-- Whether two looks are one thing is asked of incidents by where their own thing stands, not of places, which are many.
create index incident_place on incident (lon, lat) where lon is not null;
create index incident_camera on incident (camera_id, opened_at desc);
create index site_joined on site (same_as) where same_as is not null;

-- It is quiet where the thing stood of which that was said: several may be said of one place, each of its own thing.
alter table site_quiet
    drop constraint site_quiet_pkey,
    add column quiet_id bigint generated always as identity primary key,
    add column incident_id uuid references incident,      -- null: said before this was kept
    add column lon double precision,
    add column lat double precision,
    add column camera_id text not null default '',
    add column box_px real[] not null default '{0,0,0,0}';
update site_quiet q set lon = s.lon, lat = s.lat, camera_id = s.camera_id, box_px = s.box_px
from site s where s.site_id = q.site_id;
create index site_quiet_site on site_quiet (site_id);
create index site_quiet_incident on site_quiet (incident_id) where incident_id is not null;
