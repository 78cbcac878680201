drop index incident_clock_running;
