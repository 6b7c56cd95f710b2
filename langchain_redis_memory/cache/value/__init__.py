"""The value cache: whatever a program computes or loads, by name, with lifetimes, tags, versions and locks."""
