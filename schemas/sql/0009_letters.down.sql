drop index dead_letter_same;
delete from dead_letter a using dead_letter b
    where a.replayed_at is null and b.replayed_at is null and a.id > b.id
    and (a.topic, a.reason, a.payload_sha256) = (b.topic, b.reason, b.payload_sha256);
create unique index dead_letter_same on dead_letter (topic, reason, payload_sha256) where replayed_at is null;
