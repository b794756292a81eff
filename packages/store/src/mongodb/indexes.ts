import type { MongoConnection } from './connection.ts';
import { isNotSupported } from './errors.ts';

/** The indexes, made when they are missing; the same ones again change nothing. */
export async function ensureIndexes(db: MongoConnection, onWarning: (message: string) => void): Promise<void> {
  await db.run(async () => {
    await db.users.createIndex({ emailKey: 1 }, { name: 'email_unique', unique: true });
    await db.rooms.createIndex({ slug: 1 }, { name: 'slug_unique', unique: true });
    await db.rooms.createIndex({ ownerId: 1, createdAtMs: -1, _id: -1 }, { name: 'by_owner' });
    await db.members.createIndex({ roomId: 1, userId: 1 }, { name: 'member_unique', unique: true });
    await db.members.createIndex({ userId: 1, joinedAtMs: -1, roomId: -1 }, { name: 'by_user' });
    await db.expulsions.createIndex({ roomId: 1, userId: 1 }, { name: 'expulsion_unique', unique: true });
    await db.invitations.createIndex({ roomId: 1 }, { name: 'by_room' });
    await db.messages.createIndex({ roomId: 1, id: 1 }, { name: 'message_unique', unique: true });
    await db.messages.createIndex({ sentAtMs: 1 }, { name: 'by_time' });
    // Rooms whose deletion was interrupted; nearly always none.
    await db.rooms.createIndex({ deleting: 1 }, { name: 'deleting' });
  });
  try {
    await db.run(() => db.invitations.createIndex({ expiresAt: 1 }, { name: 'expiry', expireAfterSeconds: 0 }));
  } catch (error) {
    if (!(error instanceof Error) || !isNotSupported(error.cause)) throw error;
    onWarning('the MongoDB server has no TTL indexes; expired invitations are removed by the regular purge alone');
  }
}
