# To undo run wyd6tx (killed) by hand, as of 2025-09-16T03:04:13.578125Z.
# Read each line before you run it: the cloud may have moved since, and nothing here looks.

# scale-connector
# it cannot be undone
