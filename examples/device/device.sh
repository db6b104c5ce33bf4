#!/bin/sh
# A device's side of an update, with curl, jq, OpenSSL 3 and coreutils: it asks, fetches, checks,
# installs and reports. Run it every so often; docs/device.md says what it is told.
set -eu
: "${BINDERY_URL:?}" "${BINDERY_KEY:?}" "${BINDERY_DEVICE:?}" "${BINDERY_TRUSTED_PEM:?}"

# ask MUTATION INPUT: the payload. The key goes through a pipe, so that no list of processes has it.
ask() {
    body=$(jq --null-input --arg query "$1" --argjson input "$2" --arg device "$BINDERY_DEVICE" \
        '{$query, variables: {input: ($input + {deviceId: $device})}}')
    told=$(printf 'header = "Authorization: Bearer %s"\n' "$BINDERY_KEY" |
        curl --config - --silent --show-error --fail --max-time 60 "$BINDERY_URL/graphql" \
            --header 'Content-Type: application/json' --data "$body") || return
    printf %s "$told" | jq --exit-status '.data[]? | select(.errors == [])' || {
        echo "refused: $told" >&2
        return 1
    }
}

report() { # report RELEASE OUTCOME
    ask 'mutation($input: ReportDeviceStateInput!) { reportDeviceState(input: $input) {
        device { id } errors { code message } } }' \
        "$(jq --null-input --arg id "$1" --arg outcome "$2" '{$outcome, reported: {releaseId: $id}}')" \
        >/dev/null
}

signed() { # signed FILE ENTRY: whether the trusted key signed what came
    sha256sum "$1" | cut -c 1-64 | tr -d '\n' >digest
    for signature in $(printf %s "$2" | jq --raw-output '.signatures[].signature'); do
        printf %s "$signature" | basenc --base16 --decode >signature
        openssl pkeyutl -verify -pubin -inkey "$BINDERY_TRUSTED_PEM" -rawin -in digest \
            -sigfile signature >/dev/null 2>&1 && return 0
    done
    return 1
}

runs=$(cat release 2>/dev/null || true)
payload=$(ask 'mutation($input: ClaimUpdateInput!) { claimUpdate(input: $input) {
    update { status release { id } manifest { artifact { name } url signatures { signature } } }
    errors { code message } } }' \
    "$(jq --null-input --arg id "$runs" '{reported: {releaseId: $id}}')")
update=$(printf %s "$payload" | jq .update)
[ "$(printf %s "$update" | jq --raw-output .status)" = UPDATE ] || exit 0
new=$(printf %s "$update" | jq --raw-output .release.id)

# This device takes one artifact; what else a manifest names is not for it.
entry=$(printf %s "$update" | jq '.manifest[] | select(.artifact.name == "firmware")')
url=$(printf %s "$entry" | jq --raw-output .url)
case $url in /*) url=$BINDERY_URL$url ;; esac
# A line that fails ends this: nothing is wrong with the release, and the next poll asks again.
curl --silent --show-error --fail --location --output firmware.new "$url"
if signed firmware.new "$entry"; then
    mv firmware.new firmware.bin
    printf %s "$new" >release
    report "$new" INSTALLED
else
    rm -f firmware.new
    report "$new" FAILED
    echo "not installed: no trusted key signed what came" >&2
    exit 1
fi
