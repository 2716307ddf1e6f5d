#!/bin/sh
# Deploys a folder or an image with Docker, and exits with the deploy's exit code (docs/outputs.md).
#
#   ZEROKIE_APP=my-site ZEROKIE_DIRECTORY=dist ./deploy.sh
#
#   ZEROKIE_APP=my-api ZEROKIE_IMAGE=ghcr.io/example/my-api:1.2.3 ZEROKIE_PORT=8080 ZEROKIE_TIMEOUT=10m ZEROKIE_ROLLBACK=true \
#     ZEROKIE_REGISTRY_SERVER=ghcr.io ZEROKIE_REGISTRY_USERNAME=my-name ZEROKIE_HEALTH_CHECK=/healthz \
#     ZEROKIE_HEALTH_CHECK_TEXT=1.2.3 ./deploy.sh
#
# Before you start:
#   1. Export ZEROKIE_API_KEY, and ZEROKIE_REGISTRY_PASSWORD for a private registry, from your CI's secrets.
#   2. For the first deploy of an app, set ZEROKIE_CREATE=true.
#   3. Replace the action's image (docs/versions.md).
#
# The container gets all ZEROKIE_ variables and those of a proxy or certificate authority (docs/network.md).
# To read an output: jq -r .url "zerokie-reports/$ZEROKIE_APP/result.json"
reports=zerokie-reports/$ZEROKIE_APP
rm -f "$reports/result.json"
files=$(mktemp -d) || exit
trap 'rm -rf "$files"' EXIT

set -- --rm --volume "$PWD:/workspace" --workdir /workspace -e HTTPS_PROXY -e NO_PROXY -e SSL_CERT_FILE
for name in $(env | sed -n 's/^\(ZEROKIE_[A-Z_]*\)=.*/\1/p'); do set -- "$@" -e "$name"; done
set -- "$@" -e "ZEROKIE_STATE_FILE=.zerokie-state-$ZEROKIE_APP.json" -e "ZEROKIE_REPORT_DIR=$reports"

# Pass signals to the container, so that the run can release the deploy lock.
cancel() { [ "$!" ] || exit 1; kill -s "$1" "$!"; }
for signal in HUP INT TERM; do trap "cancel $signal" "$signal"; done
docker run --cidfile "$files/id" "$@" ghcr.io/your_org/zerokie-action:1 &
# A signal ends `wait`, but not the container. Repeat until the client is gone.
while
  wait "$!"
  code=$?
  kill -0 "$!" 2>/dev/null
do :; done

# The client can die while the deploy still runs. Wait for the container's own exit code.
if [ "$code" != 0 ] && [ -s "$files/id" ]; then
  left=$(docker wait "$(cat "$files/id")" 2>/dev/null) && code=$left
fi
[ "$code" = 0 ] && exit

# Release the deploy lock if the deploy was killed.
docker run "$@" --entrypoint zerokie-cleanup ghcr.io/your_org/zerokie-action:1
exit "$code"
