#!/bin/sh
# Wherever docker runs. ZEROKIE_API_KEY comes from the environment.
set -- --rm --volume "$PWD:/workspace" --workdir /workspace -e ZEROKIE_API_KEY -e ZEROKIE_APP=my-site \
  -e ZEROKIE_DIRECTORY=dist -e ZEROKIE_CREATE=true -e ZEROKIE_STATE_FILE=.zerokie-state.json
docker run "$@" ghcr.io/zerokie/zerokie-action:1 && exit
code=$?
docker run "$@" --entrypoint zerokie-cleanup ghcr.io/zerokie/zerokie-action:1 # if it was killed
exit "$code"
