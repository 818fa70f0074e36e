"""Putting deleted runs back: plan, execute, receipt."""
