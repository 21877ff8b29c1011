#!/usr/bin/env bash
# Checks and plans runbooks, and posts each plan as a comment on the pull request, or updates the one it posted before.
#
# Takes, from the environment: RECTIFY (the program), RUNBOOKS (one a line; without any, the *.toml files that differ
# from BASE and begin with a [runbook] table), MODE (online, offline, sim, or the path of a snapshot), REPOSITORY,
# PULL_REQUEST, and for gh its GH_TOKEN. Exits with 1 if a runbook has a mistake or cannot be planned.
#
# Nothing of a runbook is ever part of a command: its name is an argument, and what is posted comes from a file.
set -euo pipefail

rectify=${RECTIFY:-rectify}
mode=${MODE:-offline}
worst=0

runbooks() {
    if [[ -n ${RUNBOOKS:-} ]]; then
        printf '%s\n' "$RUNBOOKS"
        return
    fi
    git diff --name-only --diff-filter=AMR -z "$BASE"...HEAD -- '*.toml' | while IFS= read -r -d '' file; do
        if grep -q '^\[runbook\]' -- "$file"; then printf '%s\n' "$file"; fi
    done
}

plan() {
    case $mode in
        online) "$rectify" plan --format markdown -- "$1" ;;
        offline) "$rectify" plan --format markdown --offline -- "$1" ;;
        sim) "$rectify" plan --format markdown --sim="${1%.toml}.sim.toml" --speed max -- "$1" ;;
        *) "$rectify" plan --format markdown --snapshot "$mode" -- "$1" ;;
    esac
}

# The id of the comment that begins with this line, if there is one.
comment() {
    gh api --paginate "repos/$REPOSITORY/issues/$PULL_REQUEST/comments" \
        --jq ".[] | select(.body | startswith(\"$1\")) | .id" | head -n 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

while IFS= read -r runbook; do
    [[ -n $runbook ]] || continue
    printf '── %s\n' "$runbook"
    # The mark by which the comment is found again: the file's name with nothing in it that means something elsewhere.
    mark="<!-- rectify ${runbook//[^a-zA-Z0-9_.\/-]/_} -->"
    status=0
    plan "$runbook" >"$work/plan" 2>"$work/errors" || status=$?
    cat "$work/errors" >&2
    {
        printf '%s\n' "$mark"
        cat "$work/plan"
        if [[ $status -ne 0 ]]; then
            printf '\n> [!CAUTION]\n> `rectify plan` ended with %s; the log of this check tells why.\n' "$status"
        fi
    } >"$work/body"
    [[ $status -eq 0 ]] || worst=1
    if [[ -n ${PULL_REQUEST:-} ]]; then
        id=$(comment "$mark")
        if [[ -n $id ]]; then
            gh api --silent --method PATCH "repos/$REPOSITORY/issues/comments/$id" --field "body=@$work/body"
        else
            gh api --silent --method POST "repos/$REPOSITORY/issues/$PULL_REQUEST/comments" --field "body=@$work/body"
        fi
    fi
    if [[ -n ${GITHUB_STEP_SUMMARY:-} ]]; then cat "$work/body" >>"$GITHUB_STEP_SUMMARY"; fi
done < <(runbooks)

exit "$worst"
