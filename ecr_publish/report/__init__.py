"""Outcome -> what people read: the log's end, the step summary, the outputs. Pure functions."""
