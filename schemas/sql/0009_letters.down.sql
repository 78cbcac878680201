-- Several devices' letters for one message become one again, of the first of them; how many there were is kept.

drop index dead_letter_same;
with ranked as (
    select id, row_number() over (same order by id) as number, sum(times) over same as times,
           max(last_at) over same as last_at
    from dead_letter where replayed_at is null
    window same as (partition by topic, reason, payload_sha256)),
gone as (delete from dead_letter d using ranked r where d.id = r.id and r.number > 1)
update dead_letter d set times = r.times, last_at = r.last_at from ranked r where d.id = r.id and r.number = 1;
create unique index dead_letter_same on dead_letter (topic, reason, payload_sha256) where replayed_at is null;
