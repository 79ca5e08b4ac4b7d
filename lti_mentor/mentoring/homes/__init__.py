"""What each home shows, read from rows as frozen values; sentences are made by the pages."""
