#!/bin/sh
# Run the user's scripts in $WORKSPACE/hooks/post-start.d once Hearth and ComfyUI take work.
set -eu
opt=${HEARTH_OPT:-/opt}
[ -n "$(ls -A "$WORKSPACE/hooks/post-start.d" 2>/dev/null)" ] || exit 0
cd "${HEARTH_RUN_DIR:-/run/hearth}/services"
for service in hearth comfyui; do
    [ -d "$service" ] || continue
    # s6-svwait ends at once while s6 does not know the service yet.
    until s6-svok "$service"; do sleep 0.1; done
    s6-svwait -U "$service"
done
exec "$opt/hearth/bin/as-user" "$opt/hearth/bin/boot" hooks post-start
