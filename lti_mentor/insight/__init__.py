"""Reading the record store: plain queries to frozen values, never a write."""
