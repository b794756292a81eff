import { workerBinary } from '@meridian/harness';
import { bareServer } from './bare-server.ts';
import { engineServer } from './engine-server.ts';
import { serve } from './rpc.ts';

/** A process of its own for the server under test, so that its CPU time is its own: `child.ts engine|bare`. */
const server = await (process.argv[2] === 'bare' ? bareServer : engineServer)(workerBinary());
serve(server);
