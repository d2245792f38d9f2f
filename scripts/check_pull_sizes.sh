#!/usr/bin/env bash
# Are the pushed images of one build within the ceilings for what is pulled? check_pull_sizes.sh IMAGE BUILD
# The ceilings are the roadmap's: 4, 6, 10 and 12 GB.
set -euo pipefail
image=$1 build=$2 status=0
while read -r variant ceiling; do
    manifest=$(docker buildx imagetools inspect --raw "$image:$variant-$build")
    digest=$(jq -r '[.manifests[]? | select(.platform.architecture == "amd64")][0].digest // empty' <<<"$manifest")
    if [ -n "$digest" ]; then manifest=$(docker buildx imagetools inspect --raw "$image@$digest"); fi
    bytes=$(jq '[.layers[].size] | add' <<<"$manifest")
    printf '%-9s %6d MB of %d MB\n' "$variant" $((bytes / 1000000)) $((ceiling * 1000))
    if [ "$bytes" -gt $((ceiling * 1000000000)) ]; then status=1; fi
done <<'CEILINGS'
minimal 4
standard 6
full 10
dev 12
CEILINGS
exit $status
