#!/bin/sh
# Deploys with Docker from any machine, and ends with the exit code of the deploy (docs/troubleshooting.md). A folder, or an image:
#
#   ZEROKIE_APP=my-site ZEROKIE_DIRECTORY=dist ./deploy.sh
#
#   ZEROKIE_APP=my-api ZEROKIE_IMAGE=ghcr.io/example/my-api:1.2.3 ZEROKIE_PORT=8080 ZEROKIE_TIMEOUT=10m ZEROKIE_ROLLBACK=true \
#     ZEROKIE_REGISTRY_SERVER=ghcr.io ZEROKIE_REGISTRY_USERNAME=my-name ZEROKIE_HEALTH_CHECK=/healthz \
#     ZEROKIE_HEALTH_CHECK_TEXT=1.2.3 ./deploy.sh # the text proves that the new version answers, if /healthz shows it
#
# The first deploy of an app takes ZEROKIE_CREATE=true too. Export ZEROKIE_API_KEY, and for a private registry
# ZEROKIE_REGISTRY_PASSWORD, out of your CI's secrets. The container gets all variables ZEROKIE_… of the environment, and those of a
# proxy and of a certificate authority, a file below this folder (docs/ci.md). Outputs: `jq -r .url "zerokie-$ZEROKIE_APP.json"`.
result=zerokie-$ZEROKIE_APP.json
rm -f "$result"
files=$(mktemp -d) || exit
trap 'rm -rf "$files"' EXIT
set -- --rm --volume "$PWD:/workspace" --workdir /workspace -e HTTPS_PROXY -e NO_PROXY -e SSL_CERT_FILE
for name in $(env | sed -n 's/^\(ZEROKIE_[A-Z_]*\)=.*/\1/p'); do set -- "$@" -e "$name"; done
set -- "$@" -e "ZEROKIE_STATE_FILE=.zerokie-state-$ZEROKIE_APP.json" -e "ZEROKIE_OUTPUT_FILE=$result"
cancel() { [ "$!" ] || exit 1; kill -s "$1" "$!"; } # the container gets the signal, and releases the lock
for signal in HUP INT TERM; do trap "cancel $signal" "$signal"; done
docker run --cidfile "$files/id" "$@" ghcr.io/your_org/zerokie-action:1 & # which image to write: docs/pinning.md
while
  wait "$!"
  code=$?
  kill -0 "$!" 2>/dev/null # a signal ends the wait, not the container
do :; done
if [ "$code" != 0 ] && [ -s "$files/id" ]; then # the client may be gone, killed or without its daemon, and the deploy still run
  left=$(docker wait "$(cat "$files/id")" 2>/dev/null) && code=$left
fi
[ "$code" = 0 ] && exit
docker run "$@" --entrypoint zerokie-cleanup ghcr.io/your_org/zerokie-action:1 # releases the lock if the deploy was killed
exit "$code"
