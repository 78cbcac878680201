-- Numbers count on from the highest one that a case has, also where 0022 went back and made their sequence anew.
select setval('case_serial', highest)
from (select max(substr(case_no, 15)::bigint) as highest from incident where case_no ~ '^[0-9]{20,32}$') as given
where highest > (select last_value from case_serial) or (select not is_called from case_serial);
