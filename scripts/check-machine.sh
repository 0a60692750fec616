#!/usr/bin/env bash
# What must be on a machine before `npm ci` can work, each with the sentence that helps.
set -u
missing=0
need() { echo "missing: $1" >&2; missing=1; }
command -v node >/dev/null || need "Node.js 20.19 or newer (https://nodejs.org)"
command -v node >/dev/null && ! node -e '
  const [major, minor] = process.versions.node.split(".").map(Number);
  process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' && need "Node.js 20.19 or newer: this is $(node --version)"
command -v npm >/dev/null || need "npm (it comes with Node.js)"
command -v python3 >/dev/null || need "Python 3, with which node-gyp compiles the HNSW index (Debian: apt-get install python3)"
command -v make >/dev/null || need "make (Debian: apt-get install make)"
command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null ||
  need "a C++ compiler for the HNSW index (Debian: apt-get install g++)"
exit "$missing"
