#!/usr/bin/env bash
# Compares two embeddings (files of float32 values) over JSON: compare.sh a.f32 b.f32 3.2
# FOILBANK_URL and FOILBANK_KEY name the server and the key.
set -eu
[ $# -eq 3 ] || { echo "usage: $0 a.f32 b.f32 threshold" >&2; exit 2; }
packed() { base64 "$1" | tr -d '\n'; }
curl --silent --show-error "${FOILBANK_URL:-http://127.0.0.1:8080}/foilbank.v1.SupportService/AlignScores" \
  --header 'content-type: application/json' \
  --header "authorization: Bearer ${FOILBANK_KEY:-none}" \
  --data "{\"pairs\":{\"pairs\":[{\"a\":{\"packed\":\"$(packed "$1")\"},\"b\":{\"packed\":\"$(packed "$2")\"}}]},\"threshold\":$3}"
echo
