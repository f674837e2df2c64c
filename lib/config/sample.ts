// A config file to begin with: every key with what it means and its default, commented out unless a value is given.
import {open} from 'node:fs/promises';
import {HaError, reasonOf, systemCode} from '../errors.ts';
import {defaultText} from './command-line.ts';
import {KEYS, OPTIONS, type Key, type Option, type Values} from './options.ts';

/** Values to stand in the file from the start, as YAML text by key. */
export type SampleValues = Readonly<Partial<Record<Key, string>>>;

/** @returns YAML that loadConfig accepts, also after any of its commented keys has been switched on. */
export function sampleConfig(values: SampleValues = {}): string {
  const lines = [
    '# Configuration of ha-agent. The command line wins over the environment, and the environment over this file.',
    '# The environment takes every key but health and restartPeer (HA_AGENT_LEASE_TIMEOUT=60s, HA_AGENT_SERVICE_ATTEMPTS=5).',
    '# The command line (--leaseTimeout 60s) does not take these two either, and of the keys below service only those that',
    '# --ensureActive, --ensurePassive, --standbyExec, --systemdUnit, --serviceUri and the command after -- give.',
    '# Relative paths start from the directory of this file. (live): a change takes effect without a restart.',
  ];
  for (const key of KEYS.filter((candidate) => !candidate.includes('.') && candidate !== 'health'))
    lines.push(...entry(key, key, '', values[key]));
  lines.push(...group('service', 'The service.', values));
  lines.push(...entry('health', 'health', '', values.health));
  lines.push(...group('proxy', 'For "ha-agent proxy", which has these names on its command line without "proxy".', values));
  return `${lines.join('\n')}\n`;
}

function group(name: 'service' | 'proxy', title: string, values: SampleValues): string[] {
  const keys = KEYS.filter((key) => key.startsWith(`${name}.`));
  const used = keys.some((key) => values[key] !== undefined);
  const entries = keys.flatMap((key) => entry(key, key.slice(name.length + 1), used ? '  ' : '#   ', values[key]));
  return ['', `# ${title}`, `${used ? '' : '# '}${name}:`, ...entries];
}

/** @throws HaError 'config.unwritable': an existing file is never overwritten. */
export async function writeSampleConfig(file: string, values: SampleValues = {}): Promise<void> {
  try {
    const handle = await open(file, 'wx', 0o644);
    try {
      await handle.writeFile(sampleConfig(values));
    } finally {
      await handle.close();
    }
  } catch (error) {
    const reason = systemCode(error) === 'EEXIST' ? 'there is a file of this name' : reasonOf(error);
    const text = {
      message: `cannot write the config file ${file}: ${reason}`,
      hint: 'choose another --config, or remove that file',
      cause: error,
    };
    throw new HaError('config.unwritable', {file, reason}, text);
  }
}

function entry<K extends Key>(key: K, name: string, indent: string, value: string | undefined): string[] {
  const option: Option<Values[K]> = OPTIONS[key];
  const standard = defaultText(option);
  const facts = [
    option.kind.placeholder ?? 'true|false',
    standard === undefined ? undefined : `default: ${standard}`,
    option.change === 'live' ? 'live' : undefined,
  ];
  const comment = `# ${option.description} (${facts.filter((fact) => fact !== undefined).join('; ')})`;
  const shown = value ?? option.sample ?? String(standard);
  const off = value === undefined && !indent.startsWith('#') ? '# ' : '';
  const blank = indent === '' ? [''] : [];
  const margin = indent.startsWith('#') ? '# ' : indent;
  return [
    ...blank,
    indent.startsWith('#') ? `#   ${comment}` : `${margin}${comment}`,
    `${indent}${off}${name}: ${shown}`.trimEnd(),
  ];
}
