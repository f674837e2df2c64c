#!/bin/sh
# restartHalIfDead.sh ID [-p]: starts the agent of this node in the background unless it runs. Prints its process id, or NotRunning.
# All nodes are on this host here, so each gets a state directory and a pid file of its own; on hosts of their own none of that is needed.
[ -n "$1" ] || { echo "usage: $0 ID [-p]" >&2; exit 1; }
id=$1
cd "$(dirname "$0")" || exit 1
shift
run=${VOTING_RUN:-run}
# Inside the project npx finds its own command.
agent=${HA_AGENT:-npx --no-install ha-agent}
mkdir -p "$run/store" || exit 1
own="--config config.json --id $id --persistenceDir $run/store --stateDir $run/state-$id --pidFile $run/agent-$id.pid"

if ! $agent state $own > /dev/null 2>&1; then
  nohup setsid $agent launch $own --port 0 "$@" < /dev/null >> "$run/hal$id.out" 2>&1 &
  tries=0
  until $agent state $own > /dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -gt 20 ] && break
    sleep 0.2
  done
fi
cat "$run/agent-$id.pid" 2> /dev/null || echo NotRunning
