-- Nothing to undo: a number is never used twice.
select 1;
