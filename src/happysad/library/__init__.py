"""Photo libraries: many photos in, tables out, nothing lost where it is stopped.

- listing.py: what the command line names -> single files; sorted, each once, on disk.
- remote.py: files that lie elsewhere, through fsspec.
- tables.py: the columns; rows -> a part in Parquet, CSV or JSON lines, and back.
- results.py: the results' folder: what it was made of, its lists of files, its parts.
- looking.py: a glance at a file before it is predicted: whether it is one, when it was taken.
- predicting.py: shard by shard, paths -> rows -> parts; goes on where it was stopped.
- report.py: a page of the results.
- sorting.py: photos into one folder an outcome, and back.
"""
