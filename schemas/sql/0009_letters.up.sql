-- One message may hold positions of several devices: each has a letter of its own, to be replayed when it is accepted.

drop index dead_letter_same;
create unique index dead_letter_same on dead_letter (topic, reason, payload_sha256, device_id)
    where replayed_at is null;
