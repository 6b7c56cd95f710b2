"""How costs grow with what is stored, with tasks and with nodes."""
