"""Pages for a person, each one file that needs no network."""
