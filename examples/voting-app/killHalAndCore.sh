#!/bin/sh
# killHalAndCore.sh ID…: ends these nodes, all of them without an ID: first their agents, then the voting apps that they leave in passive mode.
cd "$(dirname "$0")" || exit 1
run=${VOTING_RUN:-run}
agent=${HA_AGENT:-npx --no-install ha-agent}
[ "$#" -gt 0 ] || set -- 0 1 2
status=0
stopping=
for id in "$@"; do
  $agent stop --config config.json --id "$id" --persistenceDir "$run/store" --stateDir "$run/state-$id" --pidFile "$run/agent-$id.pid" &
  stopping="$stopping $!"
done
for pid in $stopping; do wait "$pid" || status=1; done
for id in "$@"; do
  pid=$(cat "$run/vote-$id.pid" 2> /dev/null)
  if [ -n "$pid" ] && tr '\0' ' ' < "/proc/$pid/cmdline" 2> /dev/null | grep -q "vote\.mjs $id "; then kill -TERM "$pid"; fi
done
exit "$status"
