"""Photo libraries: predict millions of photos into tables; an interruption loses at most one part.

- photo_files.py: expand names into files; a file as a source of the classifier.
- remote.py: files in remote storage, through fsspec.
- exif.py: when a photo was taken.
- results.py: the folder of results: how they were made, the lists of files, the parts.
- tables.py: the columns; parts in Parquet, CSV and JSON lines.
- library.py: predict a library into a folder of results, on this machine or on a cluster.
- shards.py: predict the photos of one shard, and write its parts.
- cluster.py: predict the shards on a Dask cluster.
- library_page.py: the page of the results.
- sorting.py: sort photos into one folder for each label, and undo it.
"""
