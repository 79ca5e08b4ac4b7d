"""LTI Mentor: mentoring inside the learning management system."""
