#!/bin/sh
# Make the namespace and the search attributes; safe to run again.
# Reads TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and RETENTION.
set -eu

# Try a command once a second, for two minutes: a new namespace is known everywhere only after some.
attempt() {
  tries=120
  until output=$("$@" 2>&1); do
    tries=$((tries - 1))
    if [ "$tries" -eq 0 ]; then
      echo "$* failed: $output" >&2
      exit 1
    fi
    sleep 1
  done
}

namespace() {
  temporal operator namespace describe -n "$TEMPORAL_NAMESPACE" ||
    temporal operator namespace create -n "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
}

attempt temporal operator cluster health
attempt namespace
attempt temporal operator namespace update -n "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
for name in SagaType SagaStatus CustomerId; do
  attempt temporal operator search-attribute create --name "$name" --type Keyword
done
echo "namespace $TEMPORAL_NAMESPACE is ready"
