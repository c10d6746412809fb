"""Arrays to PNG files."""
