// A process that tells the suspend-aware clock once, for comparison.
import {bootNow} from '../guardian/clock.ts';

process.on('disconnect', () => process.exit());
process.once('message', () => process.send?.(bootNow()));
bootNow();
process.send?.('ready');
