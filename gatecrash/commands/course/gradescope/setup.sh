#!/usr/bin/env bash
# Gradescope runs this once, as root, when the autograder is built: it installs Gatecrash and a C compiler.
set -euo pipefail

base="${GATECRASH_AUTOGRADER:-/autograder}"
source="${base}/source"
export DEBIAN_FRONTEND=noninteractive

suits() {
    command -v "$1" >/dev/null && "$1" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

suitable_python() {
    local python
    for python in python3 python3.13 python3.12 python3.11; do
        if suits "${python}"; then
            echo "${python}"
            return
        fi
    done
}

apt-get update
apt-get install -y --no-install-recommends gcc g++ make libc6-dev python3 python3-venv
python="$(suitable_python)"
if [ -z "${python}" ]; then # Ubuntu 22.04 has 3.10 by default, and 3.11 beside it
    apt-get install -y --no-install-recommends python3.11 python3.11-venv
    python="$(suitable_python)"
fi
if [ -z "${python}" ]; then
    echo "Gatecrash needs Python 3.11 or newer, and this image has none: choose a newer base image." >&2
    exit 1
fi

"${python}" -m venv "${base}/venv"
if [ -d "${source}/gatecrash" ]; then
    "${base}/venv/bin/pip" install --no-cache-dir "${source}/gatecrash"
else
    "${base}/venv/bin/pip" install --no-cache-dir "gatecrash==@VERSION@"
fi
"${base}/venv/bin/gatecrash" doctor || true # for the build's log: what can be observed in this container
