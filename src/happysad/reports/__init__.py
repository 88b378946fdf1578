"""Pages for people, from one set of templates with one layout."""
