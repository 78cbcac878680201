-- Rows of a city of ninety days: curbwatch/bench/queries_fill.py runs each block, named by the line above it, with its values.

-- block device
insert into device (device_id, kind, source, unit_id, cell_id)
select 'car-' || g, 'vehicle', 'pack', 'unit-' || g %% 12, '' from generate_series(0, 299) g
union all
select 'cam-' || g, 'camera', 'pack', 'unit-' || g %% 12, '5120020010' || lpad((g %% 300)::text, 5, '0')
from generate_series(0, 1999) g;

-- block device_health
insert into device_health (device_id, kind, state, last_seen_at, last_captured_at, lon, lat)
select device_id, kind, 'online', %(now)s, %(now)s, 104.60 + 0.1 * random(), 30.10 + 0.1 * random() from device;

-- block device_health_log
insert into device_health_log
select %(begin)s + h * interval '1 hour', device_id, kind, case when random() < 0.01 then 'silent' else 'online' end, null, 6,
       100, 0, h * 360, 0, 0, 0, 0, 0, 1
from generate_series(0, 2159) h, device where kind = 'vehicle' or device_id like 'cam-__';

-- block site
insert into site (cell_id, camera_id, lon, lat, box_px)
select '5120020010' || lpad((g %% 300)::text, 5, '0'), 'cam-' || g %% 2000, 104.60 + 0.1 * random(), 30.10 + 0.1 * random(),
       '{1,1,9,9}'
from generate_series(1, %(n)s / 4) g;

-- block evidence
insert into evidence (sha256, camera_id, captured_at, received_at, size_bytes)
select encode(sha256(g::text::bytea), 'hex'), 'cam-' || g %% 2000, t.at, t.at, 150000
from generate_series(1, %(n)s * 2) g, lateral (select %(begin)s + g / 2 * %(step)s::interval as at) t;

-- block incident
insert into incident (incident_id, family, site_id, class_code, state, camera_id, track_id, zone, cell_id, unit_id, lon, lat,
    box_px, appeared_at, opened_at, last_seen_at, closed_at, sightings, confidence, before_id, opening_id, rule_version,
    created_at, outcome, case_no, chain_seq, sealed_seq, clocked_seq)
select md5(g::text)::uuid, (array['stall', 'waste'])[1 + g %% 2], s.site_id, (array['09006', '06010', '09005'])[1 + g %% 3],
    case when ended then (array['done', 'done', 'done', 'gone', 'void'])[1 + g %% 5]
         else (array['verify', 'dispatched', 'handling', 'checking'])[1 + g %% 4] end,
    s.camera_id, g, 'z', s.cell_id, 'unit-' || g %% 12, s.lon, s.lat, '{1,1,9,9}', t.at, t.at, t.at + interval '20 min',
    case when ended then t.at + interval '3 hours' end, 20, 0.9, 2 * g - 1, 2 * g, 'v1', t.at,
    case when ended then (array['handled', 'handled', 'handled', 'gone', 'void'])[1 + g %% 5] else '' end,
    'n-' || g, 6, 6, 6
from generate_series(1, %(n)s) g
cross join lateral (select %(begin)s + g * %(step)s::interval as at, g <= 0.9 * %(n)s as ended) t
join site s on s.site_id = 1 + g %% greatest(%(n)s / 4, 1)
on conflict do nothing;

-- block incident_evidence
insert into incident_evidence (incident_id, evidence_id, role, at)
select incident_id, before_id, 'before', opened_at from incident
union all select incident_id, opening_id, 'opening', opened_at from incident;

-- block incident_event
insert into incident_event (incident_id, seq, at, actor, role, what, state, detail, prev_hash, hash)
select incident_id, k, opened_at + k * interval '20 min', (array['detector', 'li', 'relay', 'car-1', 'car-1', 'camera'])[k],
    (array['system', 'dispatcher', 'system', 'crew', 'crew', 'system'])[k],
    (array['opened', 'confirmed', 'dispatched', 'taken', 'finished', 'done'])[k],
    (array['verify', 'dispatched', 'dispatched', 'handling', 'checking', 'done'])[k], '{"note": "as it was"}',
    sha256((incident_id::text || k)::bytea), sha256((incident_id::text || k + 1)::bytea)
from incident, generate_series(1, 6) k;

-- block job
insert into job (job_id, incident_id, unit_id, urgency, state, holder, created_at)
select md5('j' || incident_id::text)::uuid, incident_id, unit_id, 'normal',
    case when closed_at is not null then 'done' when state = 'handling' then 'taken' else 'queued' end, '', opened_at
from incident where state <> 'verify';

-- block incident_clock
insert into incident_clock (incident_id, stage, round, limit_id, started_at, yellow_at, due_at, ended_at, limit_s, met, rule_version)
select incident_id, stage, 1, 'l-' || stage, opened_at, opened_at + interval '96 min', opened_at + interval '2 hours',
    closed_at, 7200, case when closed_at is not null then random() < 0.9 end, 'v1'
from incident, unnest(array['verify', 'dispatch', 'handle']) stage;

-- block dead_letter
insert into dead_letter (received_at, last_at, topic, device_id, reason, size_bytes, payload_sha256, payload)
select t.at, t.at, 'city/v1/x/vehicle/car-1/position', 'car-' || g %% 300, (array['json', 'range', 'ts'])[1 + g %% 3], 500,
    sha256(g::text::bytea), sha256(g::text::bytea)
from generate_series(1, %(n)s) g, lateral (select %(begin)s + g * %(step)s::interval as at) t;

-- block position
insert into position (device_id, ts, boot, seq, received_at, lon, lat, raw_lon, raw_lat, crs, speed_mps, heading_deg, ignition)
select 'car-' || g %% 300, t.ts, 'b', %(first)s + g, t.ts + interval '1 s',
       104.60 + 0.05 * sin((g %% 300) + g * 1e-4), 30.10 + 0.05 * cos((g %% 300) * 1.7 + g * 1e-4),
       104.60, 30.10, 'wgs84', (g %% 17)::real, (g %% 360)::real, g %% 5 <> 0
from generate_series(1, %(rows)s) g,
lateral (select %(day)s + g * (interval '1 day' / %(rows)s) as ts) t;

-- block sighting
insert into sighting (ts, camera_id, track_id, incident_id, family, confidence, dwell_s, box_px)
select opened_at + k * interval '1 min', camera_id, track_id, incident_id, family, 0.9, 90 + 60 * k, '{1,1,9,9}'
from incident, generate_series(1, %(each)s) k where opened_at >= %(day)s and opened_at < %(day)s + interval '1 day';
