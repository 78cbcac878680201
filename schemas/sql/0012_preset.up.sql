-- A zone of a movable camera counts in one of its views only.

alter table zone add column preset text not null default '';  -- as the camera names the view; empty: any
