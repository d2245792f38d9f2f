#!/bin/sh
# What PID 1 runs when the volume is ready (backend/boot/start.py): the services, under s6. The scan directory is made anew for
# each container from image/rootfs/etc/s6; docs/VOLUME_ARCHITECTURE.md tells the whole way.
set -eu
here=$(dirname "$0")
"$here/post_start.sh" &
exec s6-svscan "${HEARTH_RUN_DIR:-/run/hearth}/services"
