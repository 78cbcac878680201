-- A message that was set aside for its device's sake (reasons rate and unknown_device) is kept so that it can be replayed.

alter table dead_letter add column properties jsonb not null default '[]';  -- [[name, value], …] MQTT user properties
comment on column dead_letter.payload is
    'all of it for rate and unknown_device of vehicles, else its beginning (intake.dead_letter_payload_bytes)';
