#!/bin/sh
# Run the user's scripts in $WORKSPACE/hooks/pre-start.d before ComfyUI starts for the first time in this container. Hearth
# answers meanwhile, and what they say stands in ComfyUI's log.
exec "${HEARTH_OPT:-/opt}/hearth/bin/boot" hooks pre-start
