"""Photo libraries: millions of photos become tables; an interruption loses one part at most.

- photo_files.py: the files that a name stands for, and each as a source of the classifier.
- remote.py: files that lie elsewhere, through fsspec.
- exif.py: when a photo was taken.
- results.py: the folder of results: how they were made, the lists of files, the parts.
- tables.py: the columns; parts in Parquet, CSV and JSON lines.
- library.py: a whole library into a folder of results, on this machine or on a cluster.
- shards.py: paths become rows and rows become parts, shard by shard.
- cluster.py: the same on a Dask cluster.
- library_page.py: the page of the results.
- sorting.py: photos into one folder for each label, and back.
"""
