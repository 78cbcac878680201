drop index incident_told_of;
drop index site_own;
