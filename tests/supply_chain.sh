# What is pinned, as a bill of materials in build/sbom.json, and whether a weakness of it is known.
# The second asks the Python advisory database; where that is not to be reached, it says so and goes on.
set -eu
python=$1
home=build/supply
"$python" -m venv "$home"
"$home/bin/python" -m pip install --quiet --disable-pip-version-check cyclonedx-bom pip-audit
"$home/bin/cyclonedx-py" requirements constraints.txt --of JSON -o build/sbom.json
echo "build/sbom.json: $(grep -c '"bom-ref"' build/sbom.json) packages"
set +e
said=$("$home/bin/pip-audit" --requirement constraints.txt --no-deps --disable-pip --timeout 10 --progress-spinner off 2>&1)
code=$?
set -e
case $said in
*"onnection"* | *"imed out"* | *"resolve"*)
    echo "the advisory database can't be reached: nothing was checked for known weaknesses"
    ;;
*)
    skipped=$(echo "$said" | grep -c "could not be audited" || true)
    if [ "$skipped" -ge "$(grep -c '==' constraints.txt)" ]; then
        echo "the database knows none of the packages: nothing was checked for known weaknesses"
        exit 0
    fi
    echo "$said" | grep -v "could not be audited\|Skip Reason\|^-*$" || true
    echo "not known to the database, so not checked: $skipped packages"
    exit $code
    ;;
esac
