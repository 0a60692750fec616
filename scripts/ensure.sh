#!/usr/bin/env bash
# ensure.sh COMMAND_THAT_PROVES_IT WHAT PACKAGE…: is it there? Else install it where that is allowed, else say what to do.
set -u
proof=$1 what=$2
shift 2
sh -c "$proof" >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing $what ($*)"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >/dev/null 2>&1
  sh -c "$proof" >/dev/null 2>&1 && exit 0
fi
echo "missing: $what. Install it (Debian: apt-get install $*) and run again." >&2
exit 1
