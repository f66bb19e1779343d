"""The models, one file per paper. A new one is a new file and one line here."""
