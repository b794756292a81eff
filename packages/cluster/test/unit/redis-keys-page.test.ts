import { readFileSync } from 'node:fs';
import { NodeId, RoomId, RoomSlug } from '@meridian/protocol';
import { describe, expect, it } from 'vitest';
import { keysOf } from '../../src/keys.ts';
import type { Script } from '../../src/redis/script.ts';
import { SCRIPTS } from '../../src/scripts.ts';

const page = readFileSync(new URL('../../../../docs/redis-keys.md', import.meta.url), 'utf8');

/** All texts in a tree of keys. */
const leaves = (tree: unknown): string[] =>
  typeof tree === 'string'
    ? [tree]
    : typeof tree === 'object' && tree !== null
      ? Object.values(tree).flatMap(leaves)
      : [];

const { clock, ...groups } = SCRIPTS;
const scripts: Script[] = [clock, ...Object.values(groups).flatMap((group): Script[] => Object.values(group))];

describe('the page about Redis', () => {
  it('names every key and channel', () => {
    const { prefix, activeRooms, ...keys } = keysOf('m');
    const [nodeId, roomId, slug] = [NodeId.parse('node-x'), RoomId.parse('room-x'), RoomSlug.parse('slug-x')];
    const all = leaves({
      ...keys,
      node: keys.node(nodeId),
      room: keys.room(roomId),
      expelled: keys.expelled(roomId),
      burntToken: keys.burntToken(roomId, 'token-x'),
      chatLine: keys.chatLine('line-x'),
      counter: keys.counter('digest-x'),
      attempts: keys.attempts('digest-x'),
      slug: keys.slug(slug),
      slugOf: keys.slugOf(roomId),
      lock: keys.lock('name-x'),
    });
    expect(all.length).toBeGreaterThan(25);
    expect(activeRooms.startsWith(prefix)).toBe(true);
    for (const key of all) {
      const shown = key
        .slice(prefix.length + 1)
        .replace('node-x', '<nodeId>')
        .replace('room-x', '<roomId>')
        .replace('slug-x', '<slug>')
        .replace('line-x', '<lineKey>')
        .replace('token-x', '<tokenId>')
        .replace('name-x', '<name>')
        .replace('digest-x', '<digest>');
      expect(page).toContain(`\`${shown}`);
    }
  });

  it('names every script', () => {
    expect(scripts.length).toBeGreaterThan(25);
    for (const { name } of scripts) expect(page).toContain(`\`${name}\``);
  });
});
