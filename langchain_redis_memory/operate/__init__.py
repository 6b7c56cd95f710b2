"""What a team does with what is stored: find, export and erase what is kept of a person."""
