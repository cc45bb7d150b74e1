"""Every way to come by a Run."""
