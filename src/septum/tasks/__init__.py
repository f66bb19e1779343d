"""Questions to a frozen model, one file each. A new one is a new file and one line here."""
