// Hosts on one Ethernet for one test: network namespaces on a bridge of their own, each with an address in both families.
import {execFile, execFileSync} from 'node:child_process';

/** One host of it. */
export interface TestHost {
  readonly name: string;
  /** What a command is started through, to run there. */
  readonly prefix: readonly string[];
  /** The link-layer address of its `eth0`. */
  readonly mac: string;
}

const COMMAND_MS = 20_000;
let count = 0;

/** @returns why no such network can be made here; undefined if it can. */
export function networkFault(): string | undefined {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const missing = ['ip', 'nsenter', 'arping', 'ndptool', 'curl'].filter((program) => !has(program));
  if (missing.length > 0) return `these programs are missing, scripts/install-test-tools.sh installs them: ${missing.join(', ')}`;
  try {
    execFileSync('unshare', ['--net', 'sh', '-c', 'ip link add v0 type veth peer name v1 && ip link add b0 type bridge'], {
      stdio: 'pipe',
    });
    return undefined;
  } catch (error) {
    return `the kernel makes no namespace with a veth pair and a bridge: ${error instanceof Error ? error.message.trim() : String(error)}`;
  }
}

function has(program: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$1"', 'sh', program], {stdio: 'pipe'});
    return true;
  } catch {
    return false;
  }
}

export class TestNetwork {
  private readonly id = `ha-test-${process.pid}-${++count}`;
  private readonly hosts = new Map<string, TestHost>();
  private readonly namespaces: string[] = [];

  /** Gives `names` the addresses 192.0.2.1/24 and 2001:db8::1/64, .2 and ::2, and so on, on their `eth0`. */
  static async create(names: readonly string[]): Promise<TestNetwork> {
    const network = new TestNetwork();
    try {
      await network.build(names);
      return network;
    } catch (error) {
      await network.remove();
      throw error;
    }
  }

  host(name: string): TestHost {
    const found = this.hosts.get(name);
    if (!found) throw new Error(`there is no host ${name}`);
    return found;
  }

  /** Runs a program there to its end. @throws with what it complained of, unless it ends with 0 */
  run(name: string, ...argv: readonly string[]): Promise<string> {
    return run([...this.host(name).prefix, ...argv]);
  }

  /** `192.0.2.10/24`, and whatever else its interface has. */
  async addresses(name: string, link = 'eth0'): Promise<string[]> {
    const listed = await this.run(name, 'ip', '-o', 'address', 'show', 'dev', link);
    return [...listed.matchAll(/ inet6? (\S+)/g)].map(([, address = '']) => address);
  }

  /** Where `name` believes this address to be; undefined: it has not heard of it. */
  async neighbour(name: string, address: string): Promise<string | undefined> {
    return / lladdr (\S+)/.exec(await this.run(name, 'ip', 'neigh', 'show', 'to', address))?.[1];
  }

  /** Makes `name` learn where this address is, by a packet that nobody answers. */
  async meet(name: string, address: string): Promise<void> {
    const script = `const socket = require('node:dgram').createSocket(${JSON.stringify(address.includes(':') ? 'udp6' : 'udp4')});
      socket.send('x', 9, ${JSON.stringify(address)}, () => socket.close());`;
    await this.run(name, process.execPath, '-e', script);
  }

  async remove(): Promise<void> {
    for (const namespace of this.namespaces.splice(0).reverse()) await run(['ip', 'netns', 'del', namespace]);
  }

  private async build(names: readonly string[]): Promise<void> {
    const bridge = await this.namespace('bridge');
    await run(['ip', '-n', bridge, 'link', 'add', 'br0', 'type', 'bridge']);
    await run(['ip', '-n', bridge, 'link', 'set', 'br0', 'up']);
    for (const [index, name] of names.entries()) {
      const own = await this.namespace(name);
      const port = `p${index}`;
      await run(['ip', '-n', own, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', port, 'netns', bridge]);
      await run(['ip', '-n', bridge, 'link', 'set', port, 'master', 'br0', 'up']);
      await run(['ip', '-n', own, 'link', 'set', 'lo', 'up']);
      await run(['ip', '-n', own, 'link', 'set', 'eth0', 'up']);
      await run(['ip', '-n', own, 'address', 'add', `192.0.2.${index + 1}/24`, 'dev', 'eth0']);
      await run(['ip', '-n', own, 'address', 'add', `2001:db8::${index + 1}/64`, 'dev', 'eth0', 'nodad']);
      const [, mac = ''] = /link\/ether (\S+)/.exec(await run(['ip', '-n', own, 'link', 'show', 'eth0'])) ?? [];
      this.hosts.set(name, {name, prefix: ['nsenter', `--net=/run/netns/${own}`, '--'], mac});
    }
  }

  private async namespace(name: string): Promise<string> {
    const full = `${this.id}-${name}`;
    await run(['ip', 'netns', 'add', full]);
    this.namespaces.push(full);
    return full;
  }
}

function run([program = '', ...args]: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, {timeout: COMMAND_MS, killSignal: 'SIGKILL'}, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program} ${args.join(' ')}: ${stderr.trim() || error.message}`, {cause: error}));
      else resolve(stdout);
    });
  });
}
