#!/usr/bin/env bash
# Finishes run sqj70nezkk (connector-exhaustion) by hand, as of 2025-09-16T03:47:48.378774624Z.
# Read it before you run it. Each command first reads the resource: what is already as wanted is skipped, and
# the script stops at what another principal changed.
set -euo pipefail

# There is nothing left to do.
