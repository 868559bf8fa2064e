#!/bin/sh
# The first ten minutes of somebody new: README and quick start in a fresh clone of what is committed, with
# an empty HOME and an empty environment, and from `make install` on without a network. Tells the seconds
# of each step, and those of CPU.
#   sh tests/first_ten_minutes.sh          in a folder that is removed
#   sh tests/first_ten_minutes.sh FOLDER   in this one, which stays, with all that was printed in FOLDER/said
# Linux with unprivileged user namespaces, git, make, bash and Python 3.11 or newer.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
if [ $# -gt 0 ]; then
    mkdir "$1"
    work=$(cd "$1" && pwd)
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi
mkdir "$work/home" "$work/said"
path=/usr/local/bin:/usr/bin:/bin
clone=$work/ctanalytics
began=$(date +%s%N)

bare() { # run in an empty environment; what leads pip to its index is kept
    env -i PATH="$path" HOME="$work/home" LANG=C.UTF-8 SHELL=/bin/bash \
        ${PIP_INDEX_URL:+PIP_INDEX_URL="$PIP_INDEX_URL"} ${PIP_CERT:+PIP_CERT="$PIP_CERT"} \
        ${HTTPS_PROXY:+HTTPS_PROXY="$HTTPS_PROXY"} "$@"
}

offline() { # the same in a network of its own that has no interface
    unshare --map-root-user --net env -i PATH="$clone/.venv/bin:$path" HOME="$work/home" LANG=C.UTF-8 SHELL=/bin/bash "$@"
}

since() { # seconds since a moment in nanoseconds
    awk "BEGIN { printf \"%.1f\", ($(date +%s%N) - $1) / 1e9 }"
}

cpu() { # keep the seconds of CPU time that children have taken so far
    times >"$work/times"
    cpu=$(sed -n 2p "$work/times" | tr 'ms' '  ' | awk '{ print 60 * ($1 + $3) + $2 + $4 }')
}

step() { # step NAME COMMAND...: run it, keep what it says, tell how long it took
    name=$1 && shift
    file=$work/said/$(printf %s "$name" | tr -c 'a-zA-Z0-9\n' _ | cut -c 1-60).txt
    cpu
    before=$cpu
    start=$(date +%s%N)
    code=0
    "$@" >"$file" 2>&1 </dev/null || code=$?
    seconds=$(since "$start")
    cpu
    printf '%7s s, of CPU %7s s  exit code %d  %5d lines  %s\n' \
        "$seconds" "$(awk "BEGIN { printf \"%.1f\", $cpu - $before }")" "$code" "$(wc -l <"$file")" "$name"
    case $code in
        0 | 3) ;;
        *) tail -n 20 "$file" && exit 1 ;;
    esac
}

commands() { # the commands of a page's blocks
    awk '/^```/ { inside = !inside; shell = $0 == "```" || $0 == "```sh"; next } inside && shell' "$1" | grep "^$2 "
}

step "git clone" git clone --quiet "$here" "$clone"
cd "$clone"
step "make install" bare make install
step "make demo" offline make demo

mkdir "$work/quick-start"
cd "$work/quick-start"
commands "$clone/docs/index.md" ctanalytics >"$work/commands"
while read -r command; do
    step "$command" offline sh -c "$command"
done <"$work/commands"
sed -n '/^```toml$/,/^```$/p' "$clone/docs/index.md" | grep -v '^```' >ctanalytics.toml
step "ctanalytics nightly" offline ctanalytics nightly

cd "$clone"
sed -n '/^```sql$/,/^```$/p' README.md | grep -v '^```' >"$work/questions.sql"
step "the questions of README.md" offline sh -c "ctanalytics shell --lake build/demo/lake <$work/questions.sql"
commands README.md ctanalytics | grep -v 's3://\|sns:' | sed 's|--lake ./lake|--lake build/demo/lake|; s|--output report|--output build/report|' >"$work/commands"
while read -r command; do
    step "$command" offline sh -c "$command"
done <"$work/commands"

step "ctanalytics --install-completion" offline bash -c 'ctanalytics --install-completion; true'
step "Tab in bash" offline bash -c '. ~/.bashrc
    COMP_WORDS=(ctanalytics detect --detector ca) COMP_CWORD=3
    _ctanalytics_completion ctanalytics
    test "${COMPREPLY[*]}" = call_rate'
if command -v zsh >/dev/null; then
    step "ctanalytics --install-completion in zsh" offline zsh -c 'ctanalytics --install-completion; true'
    step "Tab in zsh" offline zsh -c 'test "$(_CTANALYTICS_COMPLETE=complete_zsh _TYPER_COMPLETE_ARGS="ctanalytics detect --detector ca" ctanalytics)" = "_arguments '"'*: :((\"call_rate\"))'"'"'
fi
cpu
printf '%7s s, of CPU %7s s  in all\n' "$(since "$began")" "$(printf %.1f "$cpu")"
echo "left in HOME: $(cd "$work/home" && find . -type f -o -type l | sed 's|^\./||' | sort | tr '\n' ' ')"
