"""The vocabulary: places, procedures, dossiers, campaign plan, run record. Frozen values, no I/O but its own files."""
