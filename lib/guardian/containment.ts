// How an `exec` service is held, so that "no process of it is left" can be known (rule K).

/** What `probeContainment` found to work here; plain data, handed to the guardian. */
export interface Containment {
  /** `namespace`: the kernel ends every process with the first one. `group`: found by session, ancestry and marker; can be escaped. */
  readonly kind: 'namespace' | 'group';
  /** What the holder is started through: it binds the life of the service to that of the guardian. */
  readonly launcher: readonly string[];
  /** What the command itself is started through: own session, default signal dispositions. */
  readonly prefix: readonly string[];
  /** Whether nothing is left running after kill -9 of agent and guardian together. */
  readonly safe: boolean;
  /** Why this kind, a sentence for the start line and `doctor`. */
  readonly because: string;
}

/** Name of the environment variable that marks the processes of a service. */
export const MARKER_VARIABLE = 'HA_AGENT_GUARDIAN';

/** What stands in environments and command lines of a guardian's service processes. */
export const markerText = (marker: string): string => `${MARKER_VARIABLE}=${marker}`;

/**
 * The holder says `ready` on descriptor 3 and starts the command only after a `go`: by then it is certain that it dies with
 * the guardian. The end of the descriptor instead means that the guardian is dead.
 */
const HANDSHAKE = `printf 'ready\\n' >&3 && read -r word <&3 && [ "$word" = go ] || exit 125`;

/** In place of the command, when nothing has to stay around it. */
const GROUP_HOLDER = `${HANDSHAKE}
exec "$@" 3>&-`;

/**
 * First process of the namespace. The kernel ignores signals that such a process has no handler for, gives it every orphan to reap, and
 * ends all others with it. So after the command has ended by itself, ending is enough; after a TERM the others get their time.
 */
const NAMESPACE_HOLDER = `main= asked=
stop() { asked=yes; kill -TERM -1 2>/dev/null; }
pass() { [ -z "$main" ] || kill "-$1" "$main" 2>/dev/null; }
trap stop TERM
for name in HUP INT QUIT USR1 USR2; do trap "pass $name" "$name"; done
${HANDSHAKE}
[ -z "$asked" ] || exit 0
"$@" 3>&- &
main=$!
exec 3>&- >/dev/null 2>&1
[ -z "$asked" ] || stop
while :; do
  wait "$main"; status=$?
  kill -0 "$main" 2>/dev/null || break
done
[ -n "$asked" ] || exit "$status"
while kill -0 -1 2>/dev/null; do sleep 0.03 || sleep 1; done
exit "$status"`;

/** The whole command line of a held command. */
export function heldCommand(containment: Containment, marker: string, command: readonly string[]): string[] {
  const holder = containment.kind === 'namespace' ? NAMESPACE_HOLDER : GROUP_HOLDER;
  // env(1) would take a program called A=B for an assignment.
  const prefix = command[0]?.includes('=') === true ? [] : containment.prefix;
  return [...containment.launcher, 'sh', '-c', holder, markerText(marker), ...prefix, ...command];
}
