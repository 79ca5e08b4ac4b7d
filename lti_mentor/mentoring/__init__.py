"""The domain: knows no HTTP, no LTI, no xAPI."""
