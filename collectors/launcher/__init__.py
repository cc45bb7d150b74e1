"""Run an unmodified script under the recorder."""
