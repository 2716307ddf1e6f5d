#!/bin/sh
# Deploys with Docker from any machine. The container gets ZEROKIE_API_KEY and ZEROKIE_DRY_RUN from the environment; to pass
# other variables on, name them here. Remove ZEROKIE_CREATE after the first deploy.
set -- --rm --volume "$PWD:/workspace" --workdir /workspace -e ZEROKIE_API_KEY -e ZEROKIE_DRY_RUN -e ZEROKIE_APP=my-site \
  -e ZEROKIE_DIRECTORY=dist -e ZEROKIE_CREATE=true -e ZEROKIE_STATE_FILE=.zerokie-state.json
cancel() { [ "$!" ] || exit 1; kill -s "$1" "$!"; } # the container gets the signal, and releases the lock
for signal in HUP INT TERM; do trap "cancel $signal" "$signal"; done
docker run --name "zerokie-$$" "$@" ghcr.io/your_org/zerokie-action:1 & # which image to write: docs/pinning.md
while
  wait "$!"
  code=$?
  kill -0 "$!" 2>/dev/null # a signal ends the wait, not the container
do :; done
left=$(docker wait "zerokie-$$" 2>/dev/null) && code=$left # the client is gone: killed, or without its daemon
[ "$code" = 0 ] && exit
docker run "$@" --entrypoint zerokie-cleanup ghcr.io/your_org/zerokie-action:1 # releases the lock if the deploy was killed
exit "$code"
