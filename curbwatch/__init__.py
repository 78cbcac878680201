"""The spine: pipeline, engine, command line, and the public names for plug-ins."""
