#!/usr/bin/env bash
# Posts what plan.sh left in a folder: each plan as a comment on the pull request, or in place of the one that was posted before.
#
#   comment.sh FOLDER
#
# Takes, from the environment: REPOSITORY, PULL_REQUEST (without it nothing is posted), AUTHOR (the login that GH_TOKEN comments
# as, `ask` to ask GitHub) and for gh its GH_TOKEN. Runs nothing but gh. Exits with 1 if a runbook is refused or cannot be planned, or if a plan of
# before stands and cannot be replaced.
set -euo pipefail
export LC_ALL=C

folder=$1
author=${AUTHOR:-github-actions[bot]}
status=$(cat "$folder/status")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A message for the page of the check. In such a line %, CR and LF mean something.
annotate() {
    local text=$2
    text=${text//'%'/%25}
    text=${text//$'\r'/%0D}
    text=${text//$'\n'/%0A}
    printf '::%s::%s\n' "$1" "$text"
}

send() { gh api --silent --method "$1" "repos/$REPOSITORY/issues/$2" --field "body=@$3" 2>"$work/error"; }

if [[ -z ${PULL_REQUEST:-} ]]; then exit "$status"; fi

# REST tells no app who it is; GraphQL does.
if [[ $author == ask ]]; then
    author=$(gh api graphql --raw-field query='{viewer{login}}' --jq .data.viewer.login) || author=
    if [[ -z $author ]]; then
        annotate error 'GitHub does not say whose token this is, so no comment can be told to be ours. The plans are in the summary and in the log.'
        exit 1
    fi
fi

# Id, author and first line of each comment. Anybody can write a comment that begins as ours do, and change it later: ours are
# those that we wrote.
listed='.[] | [.id, (.user.login? // .user // ""), ((.body // "") | split("\n")[0] // "")] | @tsv'
if ! gh api --paginate "repos/$REPOSITORY/issues/$PULL_REQUEST/comments?per_page=100" --jq "$listed" >"$work/all"; then
    annotate error 'The comments of this pull request cannot be read, so a plan of before may stand there. The plans are in the summary and in the log.'
    exit 1
fi
: >"$work/ours"
while IFS=$'\t' read -r id login first; do
    if [[ $login == "$author" && $first == '<!-- rectify'* ]]; then printf '%s\t%s\n' "$id" "$first" >>"$work/ours"; fi
done <"$work/all"

: >"$work/used"
for body in "$folder"/*.body; do
    if [[ ! -e $body ]]; then break; fi
    item=${body%.body}
    name=$(cat "$item.name")
    mark=$(cat "$item.mark")
    old=
    while IFS=$'\t' read -r id first; do
        # The mark without its end, so that a comment that was outdated is found too.
        if [[ $first == "${mark% -->}"* ]]; then old=$id && break; fi
    done <"$work/ours"
    if [[ -n $old ]]; then
        printf '%s\n' "$old" >>"$work/used"
        if send PATCH "comments/$old" "$body"; then continue; fi
        cat "$work/error" >&2
        if send PATCH "comments/$old" "$item.short"; then
            annotate warning "The plan of $name cannot be posted. It is in the summary and in the log."
        else
            annotate error "The comment with the plan of $name is outdated and cannot be changed. The plan is in the summary and in the log."
            status=1
        fi
    elif ! send POST "$PULL_REQUEST/comments" "$body"; then
        cat "$work/error" >&2
        # Of a fork the token can only read. Nothing that is wrong stands there.
        if ! grep -q 'HTTP 403' "$work/error" && ! send POST "$PULL_REQUEST/comments" "$item.short"; then status=1; fi
        annotate warning "The plan of $name cannot be posted. It is in the summary and in the log."
    fi
done

# Plans of before whose runbooks this pull request changes no more.
if [[ -e $folder/complete ]]; then
    while IFS=$'\t' read -r id first; do
        case $first in
            *' outdated -->'* | '<!-- rectify plan '*) continue ;;
            '<!-- rectify-plan '* | '<!-- rectify-drill '*) mark=${first%% -->*} ;;
            '<!-- rectify '*.toml' -->'*) mark='<!-- rectify-plan' ;;
            *) continue ;;
        esac
        if grep -qx "$id" "$work/used"; then continue; fi
        printf '%s outdated -->\nWhat stood here is outdated: this pull request no longer changes its runbook, or the runbook is no longer drilled.\n' "$mark" >"$work/body"
        if ! send PATCH "comments/$id" "$work/body"; then
            cat "$work/error" >&2
            annotate error "The comment $id is outdated and cannot be changed."
            status=1
        fi
    done <"$work/ours"
fi
exit "$status"
