"""A file's first rows and profile, without loading."""
