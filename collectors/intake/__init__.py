"""Taking in logs of other tools: untrusted input to named series, and those to runs."""
