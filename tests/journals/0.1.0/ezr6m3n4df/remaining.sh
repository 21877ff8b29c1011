# To finish run ezr6m3n4df (connector-exhaustion) by hand, as of 2025-09-16T03:47:52.14683667Z.
# Read each line before you run it: the cloud may have moved since, and nothing here looks.
# There is nothing left to do.
