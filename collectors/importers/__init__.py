"""From files to a Run."""
