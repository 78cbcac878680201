"""One incident per real thing: opened, fed, left, reopened, with its evidence."""
