"""A site of static files that does Try, Live and About in the visitor's browser."""
