"""Facts of the domain, written as xAPI statements in the caller's transaction."""
