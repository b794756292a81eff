import { LocalCluster } from '../../src/local-cluster/index.ts';

/** A program that runs a cluster, as `meridian up` and `lab run` do. The first Ctrl-C: does Redis still answer? The second one ends it at once. */
const [dataDir = ''] = process.argv.slice(2);
const cluster = await LocalCluster.start({
  dataDir,
  regions: [{ nodeId: 'aa', region: 'eu-west', regionName: 'A', coordinates: { latitude: 1, longitude: 1 } }],
});
let interrupts = 0;
process.on('SIGINT', () => {
  interrupts += 1;
  if (interrupts > 1) process.exit(130);
  cluster.redis.call('ping').then(
    (answer) => process.stdout.write(`redis ${answer}\n`),
    () => process.stdout.write('redis gone\n'),
  );
});
const pids = [cluster.redis.pid, cluster.sessionApi.pid, ...[...cluster.nodes.values()].map(({ child }) => child.pid)];
process.stdout.write(`pids ${pids.join(' ')}\n`);
