"""Data sets, one file each. A new one is a new file and one line here."""
