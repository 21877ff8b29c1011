# To finish run 6bp0c3vc8h (connector-exhaustion) by hand, as of 2025-09-16T03:05:18.784441817Z.
# Read each line before you run it: the cloud may have moved since, and nothing here looks.
# There is nothing left to do.
