#!/bin/sh
# Wherever docker runs. ZEROKIE_API_KEY comes from the environment, and ZEROKIE_DRY_RUN if it is there. What else comes
# from there has to be named here as well: nothing else reaches the container.
set -- --rm --volume "$PWD:/workspace" --workdir /workspace -e ZEROKIE_API_KEY -e ZEROKIE_DRY_RUN -e ZEROKIE_APP=my-site \
  -e ZEROKIE_DIRECTORY=dist -e ZEROKIE_CREATE=true -e ZEROKIE_STATE_FILE=.zerokie-state.json
cancel() { [ "$!" ] || exit 1; kill -s "$1" "$!"; } # passed on to the container, which then releases the lock
for signal in HUP INT TERM; do trap "cancel $signal" "$signal"; done
docker run "$@" ghcr.io/zerokie/zerokie-action:1 &
while
  wait "$!"
  code=$?
  kill -0 "$!" 2>/dev/null # a signal ends the wait, not the deploy
do :; done
[ "$code" = 0 ] && exit
docker run "$@" --entrypoint zerokie-cleanup ghcr.io/zerokie/zerokie-action:1 # if it was killed
exit "$code"
