-- Nothing to undo: the rows say more, and the step before this reads them alike.
select;
