"""The LMS: LTI 1.3 without Flask and without mentoring."""
