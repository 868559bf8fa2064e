#!/bin/sh
# Build the wheel, install it into an empty environment, and use it there on simulated logs.
#   sh tests/wheel.sh .venv/bin/python
set -eu
python=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work" .
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt "$work"/*.whl
cd "$work"
run=venv/bin/ctanalytics
HOME="$work" "$run" simulate logs --days 30 --accounts 1 --events-per-day 300 --seed 1 >/dev/null
HOME="$work" "$run" ingest logs --lake lake
HOME="$work" "$run" query "select count(*) as events from events" --lake lake
HOME="$work" "$run" detect --lake lake >/dev/null
HOME="$work" "$run" report --lake lake --output report
test -s report/report.html
HOME="$work" "$run" deploy render single-account --output deploy >/dev/null
test -s deploy/single-account.yaml
echo "the wheel works in an empty environment"
