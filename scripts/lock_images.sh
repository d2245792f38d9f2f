#!/usr/bin/env bash
# Pin by hash what each variant of the image adds to ComfyUI's environment: config/locks/<variant>.in -> <variant>.txt.
# A variant keeps what the one below it has. torch and its family belong to docker-bake.hcl.
set -euo pipefail
cd "$(dirname "$0")/../config/locks"
uv=../../.tools/bin/uv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# No version of these is ever chosen here; and every OpenCV is the one that needs no display.
printf '%s ; python_version < "0"\n' torch torchvision torchaudio triton xformers opencv-python opencv-contrib-python \
    opencv-contrib-python-headless >"$work/overrides"

resolve() { # resolve NAME [LOWER...]: everything that NAME needs, with the pins of the lower ones
    local name=$1 lower constraints=()
    shift
    for lower in "$@"; do constraints+=(-c "$lower.txt"); done
    "$uv" pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --overrides "$work/overrides" "${constraints[@]}" "$name.in" -o "$work/$name.txt"
}

without() { # without NAME LOWER...: drop what the lower ones have already
    local name=$1 lower
    shift
    for lower in "$@"; do grep -oE '^[a-z0-9][a-z0-9._-]*' "$lower.txt" || true; done | sort -u >"$work/known"
    awk 'FILENAME == ARGV[1] {known[$1]; next} /^[a-z0-9]/ {split($0, part, /[=<> ;@\[]/); keep = !(part[1] in known)} keep' \
        "$work/known" "$work/$name.txt"
}

lower=()
for variant in minimal standard full dev; do
    resolve "$variant" "${lower[@]}"
    { printf '# Written by scripts/lock_images.sh from %s.in\n' "$variant"; without "$variant" "${lower[@]}"; } >"$work/out"
    mv "$work/out" "$variant.txt"
    lower+=("$variant")
done
resolve jupyter
{ printf '# Written by scripts/lock_images.sh from jupyter.in\n'; cat "$work/jupyter.txt"; } >jupyter.txt
wc -l ./*.txt
