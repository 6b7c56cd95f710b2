"""Speed, round trips and bytes against what else there is: every number from one run, one server, the same work."""
