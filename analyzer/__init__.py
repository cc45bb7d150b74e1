"""From a Run to a Diagnosis."""
