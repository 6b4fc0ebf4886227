#!/usr/bin/env bash
# Known and fixable vulnerabilities of the image, by Trivy: `deployments/containers/scan.sh [IMAGE]`. Needs Docker.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# As a file: whoever has the engine's socket has the machine.
docker save "${1:-nyc-taxi-flows:local}" --output "$work/image.tar"
docker run --rm --volume "$work:/work:ro" aquasec/trivy:0.67.2 image --input /work/image.tar \
    --scanners vuln --severity HIGH,CRITICAL --ignore-unfixed --exit-code 1
