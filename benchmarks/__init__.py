"""Side-by-side measurements of packtutor against its peers."""
