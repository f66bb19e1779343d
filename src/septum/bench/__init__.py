"""Model x data x task x seed: tables, figures, speed."""
