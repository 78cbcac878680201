drop index incident_before, incident_opening, incident_after, evidence_captured, camera_event_picture, dead_letter_payload,
    dead_letter_last, incident_opened, incident_closed, incident_created, incident_cell;
create index incident_cell on incident (cell_id, opened_at desc);
