#!/bin/sh
# What config.json calls: ensureVotingAppRunning.sh ID active|passive. Makes sure that this node's voting app runs in this mode.
# Exit status: 0 it did already; 2 it had to be started, and was; 1 it could not be.
id=$1 mode=$2
cd "$(dirname "$0")" || exit 1
run=${VOTING_RUN:-run}
mkdir -p "$run" || exit 1

# What the process of this number runs, as far as it is a voting app of this node: its mode.
mode_of() {
  [ -n "$1" ] && tr '\0' ' ' < "/proc/$1/cmdline" 2> /dev/null | sed -n "s/.*vote\.mjs $id \([a-z]*\) .*/\1/p"
}

pid=$(cat "$run/vote-$id.pid" 2> /dev/null)
[ "$(mode_of "$pid")" = "$mode" ] && exit 0

# In the other mode: it has to be gone before another one begins.
tries=0
while [ -n "$(mode_of "$pid")" ]; do
  tries=$((tries + 1))
  if [ "$tries" -gt 20 ]; then kill -KILL "$pid"; else kill -TERM "$pid"; fi
  sleep 0.1
done

# The app writes its number into the file once it answers.
rm -f "$run/vote-$id.pid"
node vote.mjs "$id" "$mode" "$run" < /dev/null >> "$run/vote-$id.out" 2>&1 &
tries=0
until [ "$(cat "$run/vote-$id.pid" 2> /dev/null)" = "$!" ]; do
  tries=$((tries + 1))
  [ "$tries" -gt 50 ] && exit 1
  kill -0 "$!" 2> /dev/null || exit 1
  sleep 0.1
done
exit 2
