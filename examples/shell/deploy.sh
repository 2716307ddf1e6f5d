#!/bin/sh
# Wherever docker runs. ZEROKIE_API_KEY comes from the environment.
exec docker run --rm --volume "$PWD:/workspace" --workdir /workspace \
  -e ZEROKIE_API_KEY -e ZEROKIE_APP=my-site -e ZEROKIE_DIRECTORY=dist \
  ghcr.io/zerokie/zerokie-action:1
