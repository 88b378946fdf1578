"""Pages for people: one set of templates, one owner of their looks."""
