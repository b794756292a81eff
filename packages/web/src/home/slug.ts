import { RoomSlug } from '@meridian/protocol';

/** The address that a room's name gives; undefined where it gives none (too short, other scripts only). */
export function slugOf(title: string): RoomSlug | undefined {
  const plain = title
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .replace(/[đĐ]/g, 'd')
    .replace(/ß/g, 'ss')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63)
    .replace(/-+$/, '');
  const slug = RoomSlug.safeParse(plain);
  return slug.success ? slug.data : undefined;
}
