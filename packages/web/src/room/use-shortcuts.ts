import { useEffect } from 'react';
import type { LocalMedia } from '../media/local-media.ts';
import type { Panel } from './call.tsx';

/** One key each, while nothing is being typed. */
export const SHORTCUTS = { microphone: 'm', camera: 'v', chat: 'c', people: 'p' } as const;

export function useShortcuts(media: LocalMedia, toggle: (panel: Panel) => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isTyping(event.target)) return;
      switch (event.key.toLowerCase()) {
        case SHORTCUTS.microphone:
          media.toggle('microphone');
          break;
        case SHORTCUTS.camera:
          media.toggle('camera');
          break;
        case SHORTCUTS.chat:
          // Else the key would be typed into the field that opens.
          event.preventDefault();
          toggle('chat');
          break;
        case SHORTCUTS.people:
          toggle('people');
          break;
        default:
      }
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [media, toggle]);
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]');
