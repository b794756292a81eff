import { z } from 'zod';

/**
 * Imported before everything else: schemas decide when they are made whether they may compile
 * themselves by `Function`. Our Content-Security-Policy forbids that, and even asking would be reported.
 */
z.config({ jitless: true });
