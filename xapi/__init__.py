"""An xAPI record store that lives inside the application's own database."""
