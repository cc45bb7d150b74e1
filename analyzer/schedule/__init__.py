"""Recognise and prescribe learning-rate schedules."""
