#!/usr/bin/env bash
# Plans the runbooks that a pull request changes, and writes a comment for each into a folder. Has no token and posts nothing:
# comment.sh does.
#
#   plan.sh FOLDER
#
# Takes, from the environment: RECTIFY (the program), MODE (online, offline, sim, or the path of a snapshot), BASE (the commit to
# compare with), RUNBOOKS (one a line; without any, those that differ from BASE), INPUTS (values of inputs, one a line, as RUNBOOK
# NAME=VALUE), DRILL (true, or N for each N-th path: runbooks with a scenario beside them are drilled too), and GITHUB_STEP_SUMMARY. Leaves in the folder,
# for the runbook N: N.mark (the comment's first line), N.name (the name as it is shown), N.body, and N.short for when the body
# cannot be posted; `complete`, if those are all runbooks of the pull request; and `status`: 1 if one of them is refused or
# cannot be planned. Exits with another code than 0 only if it could not find out which runbooks there are.
#
# Nothing of a pull request is ever part of a command: a name is an argument, and what is posted comes from a file.
set -euo pipefail
export LC_ALL=C # So that %q shows every byte that is not ASCII as an escape.

folder=$1
rectify=${RECTIFY:-rectify}
mode=${MODE:-offline}
base=${BASE:-}
count=0
status=0
summary=0
# A job's summary of more than a mebibyte is not shown at all.
readonly SUMMARY=900000

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"

# The program gets no variable but these: no token, no secret of the job. Inputs come by the names that are meant for them.
environment=("PATH=$PATH" "HOME=${HOME:-/}")
while IFS= read -r name; do
    case $name in RECTIFY_INPUT_*) environment+=("$name=${!name}") ;; esac
done < <(compgen -e)
if [[ $mode == online ]]; then
    for name in GOOGLE_APPLICATION_CREDENTIALS HTTPS_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR; do
        if [[ -n ${!name:-} ]]; then environment+=("$name=${!name}"); fi
    done
fi
# A stranger's runbook may be made to take long.
ask() { timeout -k 10 10m env -i "${environment[@]}" "$rectify" "$@" </dev/null; }

# A name on one line, in ASCII, of bounded length.
shown() {
    local name
    printf -v name %q "$1"
    if ((${#name} > 300)); then name="${name:0:300}…"; fi
    printf %s "$name"
}

# The same in HTML.
html() {
    local name
    name=$(shown "$1")
    name=${name//&/&amp;}
    name=${name//</&lt;}
    name=${name//>/&gt;}
    printf '<p><code>%s</code></p>' "$name"
}

# Shows a file in the log. What is in it are no commands to the runner.
log() {
    local token
    token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    printf '::stop-commands::%s\n' "$token"
    cat "$1"
    printf '\n::%s::\n' "$token"
}

# Why a file is not to be read, if so: a link shows what stands elsewhere, and is another thing tomorrow.
unusable() {
    local part=$1
    if [[ $1 == *[$'\001'-$'\037\177']* ]]; then
        echo 'its name has control characters in it; rename it'
        return
    fi
    while [[ $part != . && $part != / ]]; do
        # Folders outside of the repository are the machine's own business.
        if [[ -L $part && ($1 != /* || $part == "$1") ]]; then
            echo 'it is a symbolic link, or lies behind one; commit the file itself'
            return
        fi
        part=$(dirname -- "$part")
    done
    if [[ -e $1 && ! -f $1 ]]; then echo 'it is no regular file'; fi
}

# Adds a comment of a kind: the file's name and what stands in $work/text.
add() {
    local mark kind=$1
    shift
    count=$((count + 1))
    # The mark by which the comment is found again: no two names have the same.
    mark="<!-- rectify-$kind $(printf %s "$1" | sha256sum | cut -c1-64) -->"
    printf '%s\n' "$mark" >"$folder/$count.mark"
    shown "$1" >"$folder/$count.name"
    { printf '%s\n%s\n\n' "$mark" "$(html "$1")" && cat "$work/text"; } >"$folder/$count.body"
    {
        printf '%s\n%s\n\n' "$mark" "$(html "$1")"
        printf '> [!CAUTION]\n> The %s of this runbook could not be posted here, and what stood here before is outdated. ' "$kind"
        printf 'The %s is in the log and in the summary of this check.\n' "$kind"
    } >"$folder/$count.short"
    log "$folder/$count.body"
    if [[ -n ${GITHUB_STEP_SUMMARY:-} ]]; then
        local size
        size=$(wc -c <"$folder/$count.body")
        if ((summary + size < SUMMARY)); then
            summary=$((summary + size))
            { cat "$folder/$count.body" && printf '\n\n'; } >>"$GITHUB_STEP_SUMMARY"
        else
            printf '%s\n\nThere is no room for its %s here. It is in the log.\n\n' "$(html "$1")" "$kind" >>"$GITHUB_STEP_SUMMARY"
        fi
    fi
}

refuse() {
    printf -- '── %s: refused: %s\n' "$(shown "$1")" "$2"
    printf '> [!CAUTION]\n> This file is not planned: %s.\n' "$2" >"$work/text"
    status=1
    add plan "$1"
}

# Which of the files that it reads, each ending in a NUL, are runbooks: the program says so, however the file spells it.
runbooks() { xargs -0 -r timeout -k 10 10m env -i "${environment[@]}" "$rectify" check --list --null --; }

# The snapshot to plan against, and what to say of it. One that the pull request brings along says what its author likes.
snapshot() {
    note=
    if [[ -z $base ]] || ! { git cat-file -e "HEAD:./$mode" || git cat-file -e "$base:./$mode"; } 2>/dev/null; then
        # It is no file of the repository: the workflow itself brought it.
        snapshot=$mode
    elif git show "$base:./$mode" >"$work/snapshot" 2>/dev/null; then
        snapshot=$work/snapshot
        if ! git diff --quiet "$base" HEAD -- "$mode"; then
            note='This pull request changes the snapshot. It is planned against the snapshot of the base commit.'
        fi
    else
        snapshot=
        note='This pull request brings the snapshot along, so it is not used: before is unknown.'
    fi
}

# Plans the base commit's version of a runbook, if there is one and it can be planned, so that the comment can say what differs.
base_plan() {
    local name=$1
    shift
    if [[ -z $base || $name == /* ]] || ! git cat-file -e "$base:./$name" 2>/dev/null; then return 1; fi
    if [[ ! -d $work/base ]]; then
        mkdir "$work/base"
        git archive "$base" | tar -x -C "$work/base" || return 1
    fi
    if [[ -n $(cd "$work/base" && unusable "$name") ]]; then return 1; fi
    ask plan --format json "$@" -- "$work/base/$name" >"$work/base.json" 2>/dev/null
}

plan() {
    local why code=0 flags=(--offline) scenario=${1%.[tT][oO][mM][lL]}.sim.toml
    why=$(unusable "$1")
    if [[ -z $why && $mode == sim ]]; then
        why=$(unusable "$scenario")
        why=${why:+of its scenario "$(shown "$scenario")": $why}
    fi
    if [[ -n $why ]]; then
        refuse "$1" "$why"
        return
    fi
    case $mode in
        online) flags=() ;;
        offline) ;;
        sim) flags=("--sim=$scenario" --speed max) ;;
        *) if [[ -n $snapshot ]]; then flags=("--snapshot=$snapshot"); fi ;;
    esac
    values=()
    while IFS= read -r line; do
        if [[ $line == "$1 "*=* ]]; then values+=(--input "${line#"$1 "}"); fi
    done <<<"${INPUTS:-}"
    flags+=("${values[@]}")
    printf -- '── %s\n' "$(shown "$1")"
    against=()
    if base_plan "$1" "${flags[@]}"; then against=("--against=$work/base.json"); fi
    # Commands to the runner, in which the program escapes whatever stands in the file: each mistake at its line.
    ask check --format github -- "$1" || true
    ask plan --format markdown "${flags[@]}" "${against[@]}" -- "$1" >"$work/text" 2>"$work/errors" || code=$?
    if [[ -s $work/errors ]]; then log "$work/errors"; fi
    if [[ -n ${note:-} ]]; then printf '\n> [!NOTE]\n> %s\n' "$note" >>"$work/text"; fi
    if [[ $code -ne 0 ]]; then
        status=1
        printf '\n> [!CAUTION]\n> `rectify plan` ended with %s; the log of this check tells why.\n' "$code" >>"$work/text"
    fi
    add plan "$1"
    if [[ $code -eq 0 && -n ${DRILL:-} && -e $scenario ]]; then drill "$1" "$scenario"; fi
}

# Rehearses every failure path of a runbook that can be planned. The inputs are those of its plan.
drill() {
    local why code=0 every=1
    why=$(unusable "$2")
    if [[ -n $why ]]; then
        printf -- '── %s: not drilled: its scenario: %s\n' "$(shown "$1")" "$why"
        return
    fi
    if [[ $DRILL =~ ^[1-9][0-9]*$ ]]; then every=$DRILL; fi
    timeout -k 10 20m env -i "${environment[@]}" "$rectify" drill --format markdown "--sim=$2" --every "$every" "${values[@]}" -- "$1" >"$work/text" 2>"$work/errors" </dev/null || code=$?
    if [[ -s $work/errors ]]; then log "$work/errors"; fi
    if [[ $code -ne 0 ]]; then
        status=1
        printf '\n> [!CAUTION]\n> `rectify drill` ended with %s: an ending that is not accepted, or the log of this check tells why.\n' "$code" >>"$work/text"
    fi
    add drill "$1"
}

# The runbooks that the pull request changes, or whose scenario it changes, each ending in a NUL; into $work/refused those that
# cannot be asked about. A rename is a new file; one that became a link is a change of its type.
changed() {
    local name runbook
    git diff -z --no-renames --name-only --diff-filter=d "$base...HEAD" >"$work/differ"
    git diff -z --no-renames --name-only "$base...HEAD" -- ':(icase)*.sim.toml' >"$work/scenarios"
    : >"$work/refused"
    : >"$work/files"
    while IFS= read -r -d '' name; do
        if [[ ! -L $name && ! -f $name ]]; then continue; fi
        if [[ -n $(unusable "$name") && ${name,,} == *.toml ]]; then
            printf '%s\0' "$name" >>"$work/refused"
        else
            printf '%s\0' "$name" >>"$work/files"
        fi
    done <"$work/differ"
    while IFS= read -r -d '' name; do
        for runbook in "${name:0:-9}" "${name:0:-9}".[tT][oO][mM][lL]; do
            if [[ -f $runbook ]]; then printf '%s\0' "$runbook" >>"$work/files"; fi
        done
    done <"$work/scenarios"
    # What a runbook includes is a part of it. Which one a changed file is a part of only the runbooks say: all that include something are planned.
    git diff -z --no-renames --name-only "$base...HEAD" -- ':(icase)*.toml' ':(exclude,icase)*.sim.toml' | sort -z >"$work/tables"
    while IFS= read -r -d '' name; do
        if [[ -f $name && ! -L $name ]]; then printf '%s\0' "$name"; fi
    done <"$work/tables" | runbooks | sort -z >"$work/themselves"
    if [[ -n $(comm -z -23 "$work/tables" "$work/themselves" | tr -d '\0') ]]; then
        # A key of TOML may be written in escapes.
        { git grep -z --name-only -E 'include|\\[uU]' -- ':(icase)*.toml' || true; } >"$work/including"
        while IFS= read -r -d '' name; do
            if [[ -f $name && ! -L $name ]]; then printf '%s\0' "$name" >>"$work/files"; fi
        done <"$work/including"
    fi
    # Whoever changes the snapshot may have had any of them in mind. A link among the others is nothing that this changes.
    if [[ $mode != online && $mode != offline && $mode != sim ]] && ! git diff --quiet "$base...HEAD" -- "$mode"; then
        git ls-files -z >"$work/tracked"
        while IFS= read -r -d '' name; do
            if [[ -f $name && ! -L $name ]]; then printf '%s\0' "$name" >>"$work/files"; fi
        done <"$work/tracked"
    fi
    cat "$work/refused"
    sort -zu "$work/files" | runbooks
}

if [[ $mode != online && $mode != offline && $mode != sim ]]; then snapshot; fi

if [[ -n ${RUNBOOKS:-} ]]; then
    while IFS= read -r name; do
        if [[ -n $name ]]; then plan "$name"; fi
    done <<<"$RUNBOOKS"
elif [[ -z $base ]]; then
    echo 'set BASE to the commit to compare with, or RUNBOOKS to the runbooks to plan' >&2
    exit 2
else
    # Not in a pipe: that the list cannot be made must end this, for a list that is empty looks like success.
    changed >"$work/list"
    while IFS= read -r -d '' name; do plan "$name"; done <"$work/list"
    : >"$folder/complete"
fi
printf '%s\n' "$status" >"$folder/status"
printf '%s runbooks, status %s\n' "$count" "$status"
