"""Numbers that can be judged: distances, errors, floors, response."""
