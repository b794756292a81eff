import { loadScript } from './redis/script.ts';

const room = (name: string) => loadScript(`rooms.${name}`, 'time.lua', 'room.lua', `rooms.${name}.lua`);
const guarded = (name: string) =>
  loadScript(`rooms.${name}`, 'time.lua', 'room.lua', 'expelled.lua', `rooms.${name}.lua`);
const registry = (name: string) => loadScript(`registry.${name}`, 'time.lua', 'registry.lua', `registry.${name}.lua`);
const other = (name: string) => loadScript(name, 'time.lua', `${name}.lua`);

/** Every change of more than one key, and every decision that depends on what it changes. */
export const SCRIPTS = {
  rooms: {
    admit: guarded('admit'),
    confirm: room('confirm'),
    leave: room('leave'),
    setConnection: room('set-connection'),
    openProducer: room('open-producer'),
    pauseProducer: room('pause-producer'),
    closeProducer: room('close-producer'),
    snapshot: room('snapshot'),
    end: room('end'),
    restore: guarded('restore'),
    expel: guarded('expel'),
    readmit: guarded('readmit'),
    purge: room('purge'),
    active: room('active'),
  },
  registry: {
    beat: registry('beat'),
    withdraw: registry('withdraw'),
    forget: registry('forget'),
    look: registry('look'),
    list: registry('list'),
    reserve: registry('reserve'),
  },
  node: { hold: other('node.hold'), release: other('node.release'), index: other('node.index') },
  leases: { attach: other('leases.attach'), end: other('leases.end'), restore: other('leases.restore') },
  chat: { append: other('chat.append'), take: other('chat.take'), settle: other('chat.settle') },
  lock: { fence: other('lock.fence') },
  limits: { count: other('limits.count'), attempt: other('limits.attempt') },
  revocations: { add: other('revocations.add') },
  bus: { say: other('bus.say') },
  clock: other('clock'),
} as const;
