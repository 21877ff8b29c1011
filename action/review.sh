#!/usr/bin/env bash
# Plans the runbooks of a pull request and posts the plans: plan.sh without the token, then comment.sh with it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
env -u GH_TOKEN -u GITHUB_TOKEN "$here/plan.sh" "$folder"
"$here/comment.sh" "$folder"
