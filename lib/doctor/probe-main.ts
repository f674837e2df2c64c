// The probe's process: it makes every call to the store that a doctor needs, so that a store that hangs holds up nobody but it.
import {errnoOf} from '../store/errno.ts';
import {groupOfStore} from '../store/modes.ts';
import {storePaths} from '../store/paths.ts';
import type {CallName, Calls} from './calls.ts';
import {tryFullDirectory} from './full-directory.ts';
import {measureLatency} from './latency.ts';
import {lookAtPeers} from './peer-look.ts';
import {lookAtPlace} from './place.ts';
import type {Answer, Question} from './probe.ts';
import {listAfresh, prepareRace, race} from './race.ts';
import {rivalRounds} from './rivals.ts';
import {change, prepareChange, watchChange} from './visibility.ts';
import {Workplace} from './workplace.ts';

let workplace: Workplace | undefined;
/** The one that this process makes, and removes: also when it is told to end in the middle of making it. */
let creating: Promise<Workplace> | undefined;

const here = (): Workplace => {
  if (!workplace) throw new Error('there is no private directory yet');
  return workplace;
};
const places = (): {lockDir: string; nodesDir: string} => ({lockDir: here().room('seen'), nodesDir: here().room('nodes')});

const HANDLERS: {readonly [K in CallName]: (args: Calls[K]['args']) => Promise<Calls[K]['result']>} = {
  look: lookAtPlace,
  begin: async ({persistenceDir, app, nonce}) => {
    const group = await groupOfStore(storePaths(persistenceDir, app).root);
    creating = Workplace.create(persistenceDir, nonce, group);
    workplace = await creating;
    return {name: workplace.name};
  },
  join: async ({persistenceDir, name, nonce, waitMs}) => {
    workplace = await Workplace.join(persistenceDir, name, nonce, waitMs);
    return {found: workplace !== undefined};
  },
  rivals: (amount) => rivalRounds(here().room('rivals'), amount),
  fullDirectory: () => tryFullDirectory(here().room('full')),
  latency: (amount) => measureLatency(here().room('lock'), here().room('nodes'), amount),
  peers: lookAtPeers,
  prepareRace: ({count}) => prepareRace(here().room('race'), count).then(() => null),
  race: ({who, ...order}) => race(here().room('race'), order, who),
  finish: () => listAfresh(here().room('race')),
  prepareChange: () => prepareChange(places()).then(() => null),
  change: ({index}) => change(places(), index),
  watchChange: ({index, limitMs}) => watchChange(places(), index, limitMs),
};

async function answer<K extends CallName>(question: Question<K>): Promise<Answer> {
  const {id, name, args} = question;
  try {
    return {id, result: await HANDLERS[name](args)};
  } catch (error) {
    const errno = errnoOf(error);
    const message = error instanceof Error ? error.message : String(error);
    return {id, failed: {errno, reason: message.startsWith(errno) ? message : `${errno}: ${message}`}};
  }
}

/** The doctor has ended, in whatever way: nothing of it may stay. */
async function end(): Promise<void> {
  try {
    await (await creating)?.remove();
  } catch (error) {
    // A later doctor removes it.
    errnoOf(error);
  }
  process.exit();
}

// Ctrl-C reaches the whole group; the doctor then closes the channel.
process.on('SIGINT', () => undefined).on('SIGTERM', () => undefined);
process.on('disconnect', () => void end());
process.on('message', (question: Question<CallName>) => {
  void answer(question).then((said) => {
    // A doctor that has gone wants no answer.
    if (process.connected) process.send?.(said);
  });
});
