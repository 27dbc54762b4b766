#!/bin/sh
# Builds the wheel, installs it into an empty environment, and runs a short campaign from it in another folder.
# usage: wheel_test.sh PYTHON    (of an environment with hatchling)
set -eu
python=$1
checkout=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd "$checkout" && "$python" -m hatchling build -t wheel -d "$work/dist")
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$checkout/requirements.lock"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$work"/dist/*.whl

mkdir "$work/elsewhere"
cp "$checkout/tests/campaigns/short.toml" "$work/elsewhere/"
cd "$work/elsewhere"
"$work/venv/bin/thongsuot" list >/dev/null
"$work/venv/bin/thongsuot" plan cutover-morning >/dev/null
"$work/venv/bin/thongsuot" run short.toml --toxiproxy embedded --out record
test -s record/report.html
"$work/venv/bin/thongsuot" judge record
echo "the wheel works"
