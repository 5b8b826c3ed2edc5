"""What each public callable is given that is wrong, and what it says."""
