-- A movable camera's orders and adoptions are of one of its views.

alter table vision_adoption add column preset text not null default '';  -- the view that was shown; empty: unnamed
alter table vision_order add column preset text not null default '';  -- the view it is about; empty: any
