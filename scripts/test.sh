#!/usr/bin/env bash
# Every check and test. Goes on after a failure, so that one run tells all; ends with the count and the first failure's code.
set -u
failed=0
step() { echo; echo "── $1"; shift; "$@" || failed=1; }
mkdir -p out/test
rm -f out/test/*

# They take one processor for two minutes, in which the checks leave the other ones idle.
training=
if [ -d training/tests ]; then
  if bash scripts/ensure.sh '/usr/bin/python3 -c "import torch, cv2, numpy"' 'PyTorch for the training tests' python3-torch python3-opencv python3-numpy; then
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 /usr/bin/python3 -m unittest discover -v -s training/tests -t training > out/test/unittest.txt 2>&1 &
    training=$!
    trap 'kill "$training" 2> /dev/null' EXIT
  else
    echo 'SKIPPED: the training tests (no PyTorch on this machine)'
  fi
fi
trained() {
  wait "$training"
  local code=$?
  cat out/test/unittest.txt
  return "$code"
}

step 'lint, types, rooms, unused code' make --no-print-directory lint
step 'Redis' bash scripts/ensure.sh 'command -v redis-server' 'Redis (redis-server, for the queue tests)' redis-server
bash scripts/ensure.sh 'command -v chromium || command -v google-chrome' 'Chromium (for the studio tests)' chromium || echo 'SKIPPED: the studio tests (no Chromium on this machine)'
step 'tests' vitest run --reporter=default --reporter=json --outputFile.json=out/test/vitest.json
if [ -n "$training" ]; then step 'training tests' trained; fi
echo
node scripts/count.mjs out/test "$failed"
