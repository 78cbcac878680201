-- What was told before step 33 of a limit that had been extended by then counts as told of that extension.
update sweep_entry s set again = c.extensions from incident_clock c
where (c.incident_id, c.stage, c.round, c.limit_id) = (s.incident_id, s.stage, s.round, s.limit_id)
    and s.again = 0 and c.extensions > 0
    and s.at > (select max(e.at) from incident_event e where e.incident_id = s.incident_id and e.what = 'extended')
    and not exists (select from sweep_entry o where o.again = c.extensions
        and (o.incident_id, o.stage, o.round, o.limit_id, o.kind) = (s.incident_id, s.stage, s.round, s.limit_id, s.kind));
update job_escalation s set again = c.extensions from incident_clock c
where (c.incident_id, c.stage, c.round, c.limit_id) = (s.incident_id, s.stage, s.round, s.limit_id)
    and s.again = 0 and c.extensions > 0
    and s.at > (select max(e.at) from incident_event e where e.incident_id = s.incident_id and e.what = 'extended')
    and not exists (select from job_escalation o where o.again = c.extensions
        and (o.incident_id, o.stage, o.round, o.limit_id) = (s.incident_id, s.stage, s.round, s.limit_id));
-- Open cases are worked out again: calls for help have a limit, and suspensions an end, that they had not.
update clock_state set rule_version = '';
