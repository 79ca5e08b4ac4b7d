"""The story in the demo: one program in its twentieth week, told by calling the domain with the clock moved."""
