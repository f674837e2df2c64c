// A program that uses the service of a cluster by way of HaClient. Usage: node client.mjs AGENT_URL…
import {HaClient, isHaError} from 'ha-agent/client';

const nodes = process.argv.slice(2);
const client = new HaClient({nodes: nodes.length > 0 ? nodes : ['http://127.0.0.1:8081']});

client.on('master', (master) => {
  if (master) console.log(`-- ${master.nodeId} is master under epoch ${master.epoch}`);
  else console.log('-- nobody is master');
});

process.once('SIGINT', () => client.close());
process.once('SIGTERM', () => client.close());

for (;;) {
  try {
    const response = await client.fetch('/', {headers: {Accept: 'application/json'}});
    const {node, epoch, answers} = await response.json();
    console.log(`${node} answers under epoch ${epoch}: ${answers} so far`);
  } catch (error) {
    if (!isHaError(error)) throw error;
    if (isHaError(error, 'client.closed')) break;
    console.log(`${error.message}\n  what to do: ${error.hint}`);
  }
  await new Promise((resolve) => setTimeout(resolve, 1_000));
}
