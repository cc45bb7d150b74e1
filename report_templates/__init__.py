"""From a Diagnosis to a page."""
